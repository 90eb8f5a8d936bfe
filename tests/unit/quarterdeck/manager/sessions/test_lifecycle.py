"""The lifecycle over fakes: each outcome of a call to an agent, and what becomes of the session."""

from dataclasses import replace

import pytest

from quarterdeck.base.tasks import Wake
from quarterdeck.infra.errors import DatabaseUnavailable
from quarterdeck.manager.sessions import errors, model
from quarterdeck.manager.sessions.lanes import Lanes
from quarterdeck.manager.sessions.lifecycle import FIRST_SECONDS, Lifecycle
from quarterdeck.manager.sessions.pulls import ImagePulls
from quarterdeck.manager.sessions.watch import Watch
from quarterdeck.testing.fakes.clock import EPOCH
from quarterdeck.testing.fakes.images import FakeSecrets
from quarterdeck.testing.fakes.manager import FakeBooks, FakeKernels, Recorder, kernel_of
from quarterdeck.testing.fakes.pulls import FakeAgentImages
from quarterdeck.wire.executions import Execute
from quarterdeck.wire.states import SessionStatus


class World:
    """A lifecycle on fakes, and one session in it."""

    def __init__(self, status=SessionStatus.SCHEDULED, size=1):
        self.books, self.kernels, self.news = FakeBooks(), FakeKernels(), Recorder()
        self.images = FakeAgentImages()
        self.pulls = ImagePulls(self.images, FakeSecrets(word="hush"))
        lanes = Lanes(at_once_max=4)
        self.lifecycle = Lifecycle(self.books, self.kernels, self.news, lanes, pulls=self.pulls)
        self.books.set("s", status, size=size)
        self.size = size

    async def step(self):
        await self.lifecycle.sweep()
        for _ in range(self.size):
            await self.lifecycle.work()

    @property
    def status(self):
        return self.books.status["s"]


async def test_scheduled_session_gets_a_kernel_and_runs():
    world = World()
    await world.step()
    assert world.status is SessionStatus.RUNNING
    assert world.kernels.calls == [("create", kernel_of("s"))]
    assert [status for _, status in world.books.past] == [
        SessionStatus.SCHEDULED,
        SessionStatus.CREATING,
        SessionStatus.RUNNING,
    ]


async def test_terminating_session_loses_its_kernel_and_frees_its_slots():
    world = World(SessionStatus.TERMINATING)
    await world.step()
    assert world.status is SessionStatus.TERMINATED
    assert world.news.told == [("ended", "s")]


async def test_refused_create_ends_the_session_and_destroys_what_may_be_left():
    world = World()
    world.kernels.failures["create"] = [errors.AgentRefused("kernel-failed", "no")]
    await world.step()
    assert world.status is SessionStatus.TERMINATED
    assert world.books.reason["s"] is model.Reason.KERNEL_FAILED
    assert world.kernels.calls[-1] == ("destroy", kernel_of("s"))


@pytest.mark.parametrize("failure", [errors.AgentUnsure(), errors.AgentUnreachable()])
async def test_unclear_create_is_asked_again_for_the_same_kernel(failure):
    world = World()
    world.kernels.failures["create"] = [failure]
    await world.step()
    assert (world.status, world.books.released) == (SessionStatus.CREATING, ["s"])
    await world.step()
    assert world.status is SessionStatus.RUNNING
    assert world.kernels.calls == [("create", kernel_of("s"))] * 2


async def test_create_that_stays_unclear_is_given_up():
    world = World()
    world.books.status_seconds = model.CREATE_SECONDS_MAX
    world.kernels.failures["create"] = [errors.AgentUnsure()]
    await world.step()
    assert world.status is SessionStatus.TERMINATED
    assert world.books.reason["s"] is model.Reason.CREATE_TIMED_OUT


async def test_stillborn_kernel_ends_the_session():
    world = World()
    world.kernels.stillborn = True
    await world.step()
    assert world.books.reason["s"] is model.Reason.SELF_TERMINATED
    assert world.kernels.alive == {}


async def test_session_terminated_while_its_kernel_is_made_leaves_no_kernel():
    world = World()
    world.kernels.meanwhile = lambda: world.books.ending(
        kernel_of("s"), model.End(model.Reason.USER_REQUESTED), "user", generation=0
    )
    await world.step()
    assert world.status is SessionStatus.TERMINATED
    assert world.kernels.alive == {}


async def test_cluster_runs_when_its_last_kernel_does():
    world = World(size=3)
    await world.lifecycle.sweep()
    for _ in range(2):
        await world.lifecycle.work()
        assert world.status is SessionStatus.CREATING
    await world.lifecycle.work()
    assert world.status is SessionStatus.RUNNING
    assert len(world.kernels.alive) == 3


async def test_kernel_that_fails_takes_its_siblings_along():
    world = World(size=3)
    await world.lifecycle.sweep()
    await world.lifecycle.work()
    world.kernels.failures["create"] = [errors.AgentRefused("kernel-failed", "no")]
    for _ in range(3):
        await world.lifecycle.work()
    assert world.status is SessionStatus.TERMINATED
    assert world.kernels.alive == {}
    assert [name for name, _ in world.kernels.calls].count("create") == 2
    assert world.news.told.count(("ended", "s")) == 3


async def test_unclear_destroy_is_tried_again():
    world = World(SessionStatus.TERMINATING)
    world.kernels.failures["destroy"] = [errors.AgentUnsure()]
    await world.step()
    assert (world.status, world.books.released) == (SessionStatus.TERMINATING, ["s"])
    await world.step()
    assert world.status is SessionStatus.TERMINATED


class ForgetfulBooks(FakeBooks):
    """Books that cannot be written in once."""

    lost = False

    async def running(self, work, isolation):
        if not self.lost:
            self.lost = True
            raise DatabaseUnavailable
        return await super().running(work, isolation)


async def test_step_that_could_not_be_written_is_done_again_without_a_sweep():
    world = World()
    books = ForgetfulBooks()
    books.set("s", SessionStatus.SCHEDULED)
    lanes = Lanes(at_once_max=4)
    lifecycle = Lifecycle(books, world.kernels, world.news, lanes, pulls=world.pulls)
    lifecycle.drive("agent", "s", kernel_of("s"))
    with pytest.raises(DatabaseUnavailable):
        await lifecycle.work()
    await lifecycle.work()
    assert books.status["s"] is SessionStatus.RUNNING
    assert world.kernels.calls == [("create", kernel_of("s"))] * 2


async def test_claims_of_an_earlier_life_are_given_back():
    world = World(SessionStatus.CREATING)
    world.books.elsewhere.add("s")
    await world.lifecycle.begin()
    await world.step()
    assert world.status is SessionStatus.RUNNING


async def test_session_of_another_manager_is_left_alone():
    world = World()
    world.lifecycle.drive("agent", "s", kernel_of("s"))
    world.books.elsewhere.add("s")
    await world.lifecycle.work()
    assert (world.status, world.kernels.calls) == (SessionStatus.SCHEDULED, [])


async def test_command_that_is_over_before_its_kernel_is_announced_has_run():
    world = World()
    world.books.command = ("true",)
    world.kernels.stillborn = True
    await world.step()
    assert SessionStatus.RUNNING in [status for _, status in world.books.past]
    assert world.books.reason["s"] is model.Reason.TASK_FAILED  # the fake tells no exit code
    assert world.status is SessionStatus.TERMINATED


async def test_what_a_command_wrote_is_kept_before_its_kernel_goes():
    world = World()
    world.books.command = ("true",)
    await world.step()
    await world.books.ending(
        kernel_of("s"), model.End(model.Reason.TASK_FINISHED), "test", generation=0
    )
    world.kernels.failures["logs"] = [errors.AgentUnreachable()]
    await world.step()
    assert (world.status, world.books.kept) == (SessionStatus.TERMINATING, {})
    assert kernel_of("s") in world.kernels.alive
    await world.step()
    assert (world.status, world.books.kept["s"]) == (
        SessionStatus.TERMINATED,
        f"log of {kernel_of('s')}",
    )


async def test_command_of_a_kernel_that_is_gone_wrote_nothing():
    world = World(SessionStatus.TERMINATING)
    world.books.command = ("true",)
    await world.step()
    assert (world.status, world.books.kept) == (SessionStatus.TERMINATED, {})


async def test_agent_that_is_about_to_stop_is_asked_for_logs_again():
    world = World()
    world.books.command = ("true",)
    await world.step()
    await world.books.ending(
        kernel_of("s"), model.End(model.Reason.TASK_FINISHED), "test", generation=0
    )
    world.kernels.failures["logs"] = [errors.AgentRefused("unavailable", "stopping")]
    await world.step()
    assert (world.status, world.books.kept) == (SessionStatus.TERMINATING, {})
    await world.step()
    assert list(world.books.kept) == ["s"]


async def test_restarting_kernel_is_made_again_with_its_generation():
    world = World()
    await world.step()
    world.books.restart("s")
    await world.step()
    assert world.status is SessionStatus.RUNNING
    assert world.kernels.calls == [("create", kernel_of("s"))] * 2


async def test_restart_that_is_refused_ends_with_its_reason():
    world = World()
    await world.step()
    world.books.restart("s")
    world.kernels.failures["create"] = [errors.AgentRefused("mount-source-missing", "no folder")]
    await world.step()
    end = world.books.ends["s"]
    assert (end.reason, world.status) == (model.Reason.RESTART_FAILED, SessionStatus.TERMINATED)
    assert "no folder" in (end.detail or "")


async def test_restart_without_an_answer_is_bounded():
    world = World()
    await world.step()
    world.books.restart("s")
    world.kernels.failures["create"] = [errors.AgentUnsure(), errors.AgentUnsure()]
    await world.step()
    assert world.status is SessionStatus.RESTARTING
    world.books.status_seconds = model.CREATE_SECONDS_MAX
    await world.step()
    assert world.books.reason["s"] is model.Reason.RESTART_TIMED_OUT


async def test_late_word_of_an_earlier_generation_changes_nothing():
    world = World()
    await world.step()
    world.books.restart("s")
    end = model.End(model.Reason.KERNEL_MISSING)
    assert not await world.books.ending(kernel_of("s"), end, "test", generation=0)
    assert world.status is SessionStatus.RESTARTING


async def test_turn_is_taken_while_a_kernel_that_has_begun_waits_for_its_own():
    """Who is not asked for at once had better not begin. Let as many go on as an agent may have in hand, then one more; one is looked after."""
    world = World(SessionStatus.CREATING, size=5)
    turns = []
    for rank in range(5):
        work = await world.books.claim(kernel_of("s", rank))
        assert work is not None
        world.lifecycle.go_on(work)
        turns.append(world.lifecycle.has_turn)
    await world.lifecycle.work()
    assert [*turns, world.lifecycle.has_turn] == [True] * 4 + [False, True]
    assert world.kernels.calls == [("create", kernel_of("s"))]


async def test_who_watches_an_end_is_told_what_the_session_has_become():
    """Nobody has to look again. End a session under a claim of its own; the watch has what the books said before it rings."""
    world = World(SessionStatus.TERMINATING)
    work = await world.books.claim(kernel_of("s"))
    assert work is not None
    watch = Watch(Wake())
    world.lifecycle.go_on(work, watch=watch)
    await world.lifecycle.work()
    assert await watch.wake.wait(0)
    assert watch.over is not None
    assert watch.over.terminated_at == EPOCH


async def begun(world, first):
    """Have a kernel made whose first code somebody watches; return the watch."""
    work = await world.books.claim(kernel_of("s"))
    watch = Watch(Wake(), first)
    world.lifecycle.go_on(work, watch=watch)
    await world.lifecycle.work()
    return watch


async def test_first_code_goes_with_the_creation():
    """One call does both. Watch with code that may take long; it is asked for with the kernel, briefly, and the watch has its outcome."""
    world = World(SessionStatus.CREATING)
    watch = await begun(world, Execute("1", run="r"))
    assert world.kernels.calls == [("create", kernel_of("s"))]
    assert world.kernels.first == [Execute("1", run="r", wait=FIRST_SECONDS)]
    assert watch.execution.stdout == "1"
    assert watch.ran is not None


async def test_kernel_that_its_first_code_ends_has_run_by_the_books():
    """It was not stillborn. Have it answer dead after its first code; it is RUNNING before it ends."""
    world = World(SessionStatus.CREATING)
    world.kernels.stillborn = True
    await begun(world, Execute("exit", run="r"))
    states = [status for _, status in world.books.past]
    assert states[-3:] == ["RUNNING", "TERMINATING", "TERMINATED"]
    assert world.kernels.alive == {}


async def test_command_gets_no_first_code():
    """What is a command has no interpreter. Watch one with code; the creation goes without."""
    world = World(SessionStatus.CREATING)
    world.books.command = ("true",)
    await begun(world, Execute("1", run="r"))
    assert (world.kernels.first, world.status) == ([], SessionStatus.RUNNING)


@pytest.mark.parametrize("flushed", [True, False])
async def test_watch_knows_whether_the_session_came_on_disk(flushed):
    """Who answers must know. Have the run written for a session that was flushed before, whose run is not, and for one that was not."""
    world = World(SessionStatus.CREATING)
    work = await world.books.claim(kernel_of("s"))
    assert work is not None
    watch = Watch(Wake())
    world.lifecycle.go_on(replace(work, flushed=flushed), watch=watch)
    await world.lifecycle.work()
    assert watch.flushed is not flushed


async def test_who_expects_a_session_is_told_of_the_kernel_that_it_gets():
    """Who waits for a place is told like who began at once. Expect a session with code, drive its kernel; the code goes with it, and the watch is in hand until it rings."""
    world = World()
    watch = Watch(Wake(), Execute("1", run="r"))
    in_hand = []
    with world.lifecycle.expecting("s", watch):
        in_hand.append(watch.in_hand)
        world.lifecycle.drive("agent", "s", kernel_of("s"))
        in_hand.append(watch.in_hand)
        await world.lifecycle.work()
    assert await watch.wake.wait(0)
    assert [*in_hand, watch.in_hand] == [False, True, False]
    assert watch.execution is not None
    assert watch.execution.stdout == "1"
    assert watch.work is not None
    assert watch.work.kernel == kernel_of("s")


async def test_who_expects_nothing_any_more_is_not_told():
    """Who is gone holds nothing back. Leave the block, then drive the kernel; nobody's code goes with it."""
    world = World()
    watch = Watch(Wake(), Execute("1", run="r"))
    with world.lifecycle.expecting("s", watch):
        pass
    world.lifecycle.drive("agent", "s", kernel_of("s"))
    await world.lifecycle.work()
    assert (world.kernels.first, watch.ran, watch.in_hand) == ([], None, False)
    assert world.status is SessionStatus.RUNNING
