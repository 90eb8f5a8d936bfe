"""The use cases of the agent on fakes: idempotence, capacity, races between create, death and destroy."""

import asyncio

import msgspec
import pytest

from quarterdeck.agent import model
from quarterdeck.agent.errors import (
    InsufficientCapacity,
    KernelConflict,
    KernelNotFound,
    KernelNotRunning,
    KernelTakesNoCode,
    MountsUnsupported,
    ScratchStays,
    Stopping,
)
from quarterdeck.agent.executions import Executions
from quarterdeck.agent.images.errors import ImageNotHere
from quarterdeck.agent.kernels.errors import KernelNotStarted, KernelTerminated
from quarterdeck.agent.kernels.spec import CONTAINER_WORK, Exit, Image
from quarterdeck.agent.resources.ledger import Ledger
from quarterdeck.agent.service import AgentService
from quarterdeck.base import tasks
from quarterdeck.testing.fakes.agent import (
    FakeImages,
    FakeKernels,
    FakeNews,
    FakeRecords,
    FakeScratch,
)
from quarterdeck.testing.fakes.network import FakeNetwork
from quarterdeck.wire.agents import KernelCreate, KernelExit, KernelMount, KernelPeer
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.executions import Execute
from quarterdeck.wire.sessions import Slots

CAPACITY = Slots(4, 1024)


class World:
    """An agent's service and the fakes around it. `next_life` is what the agent is after its death."""

    runs = 0

    def __init__(self):
        self.kernels, self.scratch, self.news = FakeKernels(), FakeScratch(), FakeNews()
        self.records, self.images = FakeRecords(), FakeImages()
        self.network = FakeNetwork()
        self.begin()

    def begin(self):
        self.service = AgentService(
            self.kernels,
            self.scratch,
            self.records,
            self.news,
            ledger=Ledger(CAPACITY, (0, 1)),
            surroundings=model.Surroundings("/bin", {}),
            images=self.images,
            network=self.network,
        )

    async def next_life(self):
        self.kernels.leave()
        self.begin()
        await self.service.restore()

    def execute(self, code):
        self.runs += 1
        return Executions(self.service.executing).execute("k", str(self.runs), Execute(code))


@pytest.fixture
def world():
    return World()


def request(**changes):
    plain = KernelCreate(session="s", image=model.IMAGE, slots=Slots(1, 64))
    return msgspec.structs.replace(plain, **changes)


def started(work):
    return asyncio.get_running_loop().create_task(work)


async def test_a_kernel_is_made_listed_used_and_destroyed(world):
    made = await world.service.create("k", request())
    assert (made.status, made.pid, made.exit) == ("RUNNING", 1001, None)
    (listed,) = world.service.inventory()
    assert msgspec.structs.replace(listed, idle_seconds=None) == made == world.service.show("k")
    assert (await world.execute("print(6 * 7)")).stdout == "42\n"
    assert world.service.logs("k").text == "42\n"
    await world.service.destroy("k")
    assert world.service.inventory() == []
    assert world.scratch.removed == ["k"]
    assert world.kernels.living == {}
    assert world.news.kernels == []


async def test_the_same_create_is_done_once(world):
    world.kernels.gate.clear()
    asked = [started(world.service.create("k", request())) for _ in range(3)]
    await tasks.pause(0)
    assert world.service.inventory()[0].status == "CREATING"
    world.kernels.gate.set()
    views = [await task for task in asked]
    assert {view.pid for view in views} == {1001}
    assert await world.service.create("k", request()) == views[0]


async def test_first_code_is_run_once_and_is_no_part_of_the_kernel(world):
    """A kernel is what it is, whatever it runs first. Ask for it with code, again with the same, and without; it ran once and nothing remembers it."""
    first = Execute("print(6 * 7)", run="r", wait=1)
    made = await world.service.create("k", request(execute=first))
    assert (made.status, made.execution.stdout) == ("RUNNING", "42\n")
    again = await world.service.create("k", request(execute=first))
    assert again.execution == made.execution
    assert (await world.service.create("k", request())).execution is None
    assert world.service.logs("k").text == "42\n"
    assert {record.request.execute for record in world.records.kept.values()} == {None}


async def test_first_code_that_cannot_be_run_costs_no_kernel(world):
    """The kernel is there in any case. Ask for it again with other code under the same id."""
    await world.service.create("k", request(execute=Execute("1", run="r", wait=1)))
    again = await world.service.create("k", request(execute=Execute("2", run="r", wait=1)))
    assert (again.status, again.execution) == ("RUNNING", None)


@pytest.mark.parametrize("first", [Execute("1", wait=1), Execute("1", run="r")])
async def test_first_code_without_an_id_or_a_wait_is_refused_before_anything_is_made(world, first):
    """It could not be asked for again, or would hold the answer up. Leave out either."""
    with pytest.raises(Invalid):
        await world.service.create("k", request(execute=first))
    assert world.service.inventory() == []


async def test_command_takes_no_first_code(world):
    """There is no interpreter. Ask for a command with code; nothing is made."""
    with pytest.raises(KernelTakesNoCode):
        await world.service.create(
            "k", request(command=("true",), execute=Execute("1", run="r", wait=1))
        )
    assert world.service.inventory() == []


async def test_another_create_of_the_same_id_is_refused(world):
    await world.service.create("k", request())
    with pytest.raises(KernelConflict):
        await world.service.create("k", request(session="t"))


async def test_a_failed_start_leaves_nothing_and_may_be_tried_again(world):
    world.kernels.refusal = KernelNotStarted("no")
    for _ in range(6):
        with pytest.raises(KernelNotStarted):
            await world.service.create("k", request())
    assert world.service.inventory() == []
    assert world.scratch.removed == ["k"] * 6
    world.kernels.refusal = None
    assert (await world.service.create("k", request())).status == "RUNNING"


async def test_everybody_who_asked_is_told_of_the_failure(world):
    world.kernels.refusal = KernelNotStarted("no")
    world.kernels.gate.clear()
    asked = [started(world.service.create("k", request())) for _ in range(2)]
    await tasks.pause(0)
    world.kernels.gate.set()
    for task in asked:
        with pytest.raises(KernelNotStarted):
            await task


async def test_capacity_is_held_by_the_living_and_freed_once(world):
    await world.service.create("a", request(slots=Slots(4, 64)))
    with pytest.raises(InsufficientCapacity):
        await world.service.create("b", request())
    assert [view.id for view in world.service.inventory()] == ["a"]
    world.kernels.living["a"].die(Exit(code=0))
    await world.service.create("b", request(slots=Slots(4, 64)))
    await world.service.destroy("a")
    with pytest.raises(InsufficientCapacity):
        await world.service.create("c", request())


async def test_a_death_is_told_and_stays_listed_until_destroyed(world):
    await world.service.create("k", request())
    await world.execute("print('last')")
    world.kernels.living["k"].die(Exit(signal=9))
    assert world.news.kernels == ["k"]
    view = world.service.show("k")
    assert (view.status, view.reason) == ("TERMINATED", "killed by signal 9 (SIGKILL)")
    assert view.exit == KernelExit(signal=9)
    assert world.service.logs("k").text == "last\n"
    with pytest.raises(KernelNotRunning, match="SIGKILL"):
        await world.execute("1")
    assert await world.service.create("k", request()) == view
    await world.service.destroy("k")
    assert world.service.inventory() == []


async def test_destroy_is_fine_again_at_once_and_for_the_unknown(world):
    await world.service.create("k", request())
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(world.service.destroy("k"))
    await world.service.destroy("k")
    await world.service.destroy("never")
    assert world.scratch.removed == ["k"]


@pytest.mark.parametrize("known", [True, False])
async def test_a_create_that_comes_after_the_destroy_is_refused(world, known):
    if known:
        await world.service.create("k", request())
    await world.service.destroy("k")
    with pytest.raises(KernelTerminated):
        await world.service.create("k", request())
    assert world.service.inventory() == []


async def test_destroy_during_the_start_ends_it(world):
    world.kernels.gate.clear()
    creating = started(world.service.create("k", request()))
    await tasks.pause(0)
    await world.service.destroy("k")
    world.kernels.gate.set()
    with pytest.raises(KernelTerminated):
        await creating
    assert (world.service.inventory(), world.kernels.living) == ([], {})


async def test_destroy_before_its_turn_to_start_prevents_it(world):
    world.kernels.gate.clear()
    service = world.service
    service._starting = asyncio.Semaphore(1)
    first = started(service.create("a", request()))
    second = started(service.create("b", request()))
    await tasks.pause(0)
    await service.destroy("b")
    world.kernels.gate.set()
    await first
    with pytest.raises(KernelTerminated):
        await second
    assert list(world.kernels.living) == ["a"]


async def test_scratch_that_stays_keeps_the_kernel_listed_for_the_next_attempt(world):
    await world.service.create("k", request())
    world.scratch.failure = OSError("busy")
    with pytest.raises(ScratchStays):
        await world.service.destroy("k")
    assert world.service.show("k").status == "TERMINATING"
    world.scratch.failure = None
    await world.service.destroy("k")
    assert world.service.inventory() == []


async def test_without_mounts_they_are_refused_before_anything_is_held(world):
    world.kernels.mounts = False
    with pytest.raises(MountsUnsupported):
        await world.service.create("k", request(mounts=(KernelMount("/x", "y"),)))
    await world.service.create("k", request(slots=CAPACITY))


async def test_what_is_not_there_is_not_found(world):
    for call in (world.service.show, world.service.logs):
        with pytest.raises(KernelNotFound):
            call("k")
    with pytest.raises(KernelNotFound):
        await world.execute("1")


async def test_a_kernel_that_starts_does_not_run_code_yet(world):
    world.kernels.gate.clear()
    creating = started(world.service.create("k", request()))
    await tasks.pause(0)
    with pytest.raises(KernelNotRunning):
        await world.execute("1")
    assert world.service.logs("k").text == ""
    world.kernels.gate.set()
    await creating


async def test_stop_leaves_all_and_takes_nothing_new(world):
    for id_ in "abc":
        await world.service.create(id_, request())
    world.service.stop()
    assert sorted(world.kernels.held()) == ["a", "b", "c"]
    assert world.scratch.removed == []
    with pytest.raises(Stopping):
        await world.service.create("d", request())
    with pytest.raises(Stopping):
        await world.service.destroy("a")


async def test_kernels_are_the_same_in_the_next_life(world):
    made = await world.service.create("k", request(slots=Slots(2, 64)))
    await world.execute("x = 41")
    await world.next_life()
    (listed,) = world.service.inventory()
    assert msgspec.structs.replace(listed, idle_seconds=None) == made
    assert await world.service.create("k", request(slots=Slots(2, 64))) == made
    assert (await world.execute("x + 1")).result == "42"
    with pytest.raises(InsufficientCapacity):
        await world.service.create("l", request(slots=Slots(3, 64)))
    assert world.scratch.kept == {"k"}
    world.kernels.living["k"].die(Exit(code=0))
    assert world.news.kernels == ["k"]
    await world.service.create("l", request(slots=Slots(4, 64)))


async def test_a_death_between_two_lives_is_told_with_its_reason(world):
    await world.service.create("k", request())
    kernel = world.kernels.living["k"]
    world.kernels.leave()
    kernel._on_exit = lambda _: None
    kernel.die(Exit(code=3))
    world.begin()
    await world.service.restore()
    assert world.service.show("k").reason == "exited with code 3"
    assert world.news.kernels == ["k"]


async def test_a_kernel_that_vanished_is_terminated_and_frees_its_slots(world):
    await world.service.create("k", request(slots=CAPACITY))
    world.kernels.living.clear()
    await world.next_life()
    view = world.service.show("k")
    assert (view.status, view.reason) == ("TERMINATED", "ended while its agent was away")
    await world.service.create("l", request(slots=CAPACITY))
    await world.next_life()
    assert world.service.show("k") == view


async def test_what_had_only_begun_is_made_anew_when_asked_again(world):
    world.kernels.gate.clear()
    creating = started(world.service.create("k", request()))
    await tasks.pause(0)
    assert world.records.kept["k"].status == "CREATING"
    await world.next_life()
    assert (world.service.inventory(), world.kernels.held()) == ([], ())
    assert (world.scratch.removed, world.records.kept) == (["k"], {})
    world.kernels.gate.set()
    with pytest.raises(KernelTerminated):
        await creating
    assert (await world.service.create("k", request())).status == "RUNNING"


async def test_what_was_to_be_destroyed_is_destroyed_in_the_next_life(world):
    await world.service.create("k", request())
    world.scratch.failure = OSError("busy")
    with pytest.raises(ScratchStays):
        await world.service.destroy("k")
    world.scratch.failure = None
    await world.next_life()
    assert (world.service.inventory(), world.scratch.removed) == ([], ["k"])
    with pytest.raises(KernelTerminated):
        await world.service.create("k", request())


async def test_a_kernel_without_a_record_is_an_orphan_and_ended(world):
    await world.service.create("k", request())
    world.records.kept.clear()
    world.records.damage = ("the record k cannot be read",)
    await world.next_life()
    assert (world.service.inventory(), world.kernels.held()) == ([], ())
    assert world.service.damage == ("the record k cannot be read",)


async def test_a_kernel_that_cannot_be_written_down_is_not_made(world):
    world.records.failure = OSError(28, "No space left on device")
    with pytest.raises(KernelNotStarted, match="No space left"):
        await world.service.create("k", request())
    assert (world.service.inventory(), world.kernels.living) == ([], {})
    world.records.failure = None
    await world.service.create("k", request(slots=CAPACITY))


async def test_a_kernel_is_destroyed_though_nothing_can_be_written(world):
    await world.service.create("k", request())
    world.records.failure = OSError(30, "Read-only file system")
    await world.service.destroy("k")
    assert (world.service.inventory(), world.kernels.living) == ([], {})


async def test_a_kernel_is_idle_unless_it_is_used_or_runs_a_command(world):
    await world.service.create("k", request())
    await world.service.create("c", request(command=("sleep", "1")))
    for kernel in world.kernels.living.values():
        kernel.clock.advance(7)
    assert idle(world) == {"k": 7, "c": None}
    with world.service.using("k"), world.service.using("unknown"):
        assert idle(world) == {"k": None, "c": None}
    assert idle(world) == {"k": 0, "c": None}


def idle(world):
    return {one.id: one.idle_seconds for one in world.service.inventory()}


async def test_what_a_command_wrote_is_there_in_the_next_life(world):
    await world.service.create("c", request(command=("true",)))
    world.records.journals["c"] = b"written before"
    await world.next_life()
    assert world.service.logs("c").text == "written before"
    world.kernels.living["c"].die(Exit(code=0))
    world.kernels.living.clear()
    await world.next_life()
    assert world.service.show("c").status == "TERMINATED"
    assert world.service.logs("c").text == "written before"


async def test_a_kernel_keeps_its_image_here_until_it_is_destroyed(world):
    world.images.images["sha256:a"] = Image("/tree", "python")
    await world.service.create("k", request(digest="sha256:a", isolation="oci"))
    assert world.kernels.living["k"].spec.image == Image("/tree", "python")
    assert world.service.show("k").isolation == "oci"
    await world.next_life()
    assert world.images.users == {"k": "sha256:a"}
    assert world.service.entrance("k").directory == CONTAINER_WORK
    await world.service.destroy("k")
    assert world.images.users == {}


async def test_an_image_that_is_not_here_is_refused_before_anything_is_held(world):
    with pytest.raises(ImageNotHere) as refusal:
        await world.service.create("k", request(digest="sha256:a"))
    assert (refusal.value.code, refusal.value.field) == ("image-not-here", "digest")
    assert world.service.inventory() == []
    await world.service.create("other", request(slots=CAPACITY))


async def test_no_image_is_kept_for_a_kernel_that_has_no_room(world):
    world.images.images["sha256:a"] = Image("/tree", "python")
    with pytest.raises(InsufficientCapacity):
        await world.service.create("k", request(digest="sha256:a", slots=Slots(64, 1024)))
    assert world.images.users == {}


PEERS = (KernelPeer("main1", "k", "http://a@h:1"), KernelPeer("sub1", "l", "http://a@h:1"))


async def test_a_kernel_is_with_its_peers_from_its_start_to_its_end(world):
    view = await world.service.create("k", request(ports=(8000,), peers=PEERS))
    assert world.network.members == {"k": view.pid}
    world.network.members.clear()
    await world.next_life()
    assert world.network.members == {"k": view.pid}
    await world.service.destroy("k")
    assert world.network.members == {}


async def test_a_kernel_that_cannot_join_its_peers_is_none(world):
    world.network.failure = KernelNotStarted("no wires")
    with pytest.raises(KernelNotStarted, match="no wires"):
        await world.service.create("k", request(ports=(8000,), peers=PEERS))
    assert world.service.inventory() == []
    assert world.kernels.living == {}


async def test_peers_that_have_moved_make_no_other_kernel(world):
    asked = request(ports=(8000,), peers=PEERS)
    first = await world.service.create("k", asked)
    moved = tuple(msgspec.structs.replace(one, agent="http://a@h:2") for one in PEERS)
    assert await world.service.create("k", msgspec.structs.replace(asked, peers=moved)) == first


async def test_directories_are_made_when_there_are_few(world):
    """Not for each kernel: that costs a thread's turn. Make a kernel when there are enough, and one when there are few; hear the alarm."""
    await world.service.create("k", request())
    rung = [await world.service.few.wait(0)]
    world.scratch.few = True
    await world.service.create("other", request())
    rung.append(await world.service.few.wait(0))
    assert rung == [False, True]
