"""Restarts in the agent on fakes: idempotent by generation, in the same place, over deaths and destroys in the middle."""

import asyncio

import msgspec
import pytest

from quarterdeck.agent import model
from quarterdeck.agent.errors import (
    InsufficientCapacity,
    KernelConflict,
    KernelNotFound,
    KernelRestarted,
)
from quarterdeck.agent.executions import Executions
from quarterdeck.agent.kernels.errors import KernelNotStarted, KernelTerminated, RunForgotten
from quarterdeck.agent.kernels.spec import Exit
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
from quarterdeck.wire.agents import KernelCreate
from quarterdeck.wire.executions import Execute
from quarterdeck.wire.sessions import Slots

FULL = Slots(2, 64)


class World:
    """An agent with room for one kernel, `k`, and the fakes around it."""

    def __init__(self):
        self.kernels, self.scratch, self.news = FakeKernels(), FakeScratch(), FakeNews()
        self.records, self.network = FakeRecords(), FakeNetwork()
        self.begin()

    def begin(self):
        self.service = AgentService(
            self.kernels,
            self.scratch,
            self.records,
            self.news,
            ledger=Ledger(FULL, (0, 1)),
            surroundings=model.Surroundings("/bin", {}),
            images=FakeImages(),
            network=self.network,
        )

    async def next_life(self):
        self.kernels.leave()
        self.begin()
        await self.service.restore()

    async def create(self, generation=0, **changes):
        request = KernelCreate(session="s", image=model.IMAGE, slots=FULL, generation=generation)
        return await self.service.create("k", msgspec.structs.replace(request, **changes))

    async def execute(self, code):
        runs = Executions(self.service.executing)
        return (await runs.execute("k", code, Execute(code))).result


@pytest.fixture
def world():
    return World()


async def test_greater_generation_makes_new_processes_in_the_same_place(world):
    first = await world.create()
    await world.execute("x = 1")
    again = await world.create(1)
    assert (again.status, first.status) == ("RUNNING", "RUNNING")
    assert again.pid != first.pid
    assert list(world.kernels.living) == ["k"]
    assert world.kernels.living["k"].spec.again
    assert world.scratch.removed == []
    assert await world.execute("'x' in globals()") == "False"
    assert world.news.kernels == []


async def test_what_ran_before_is_not_run_again(world):
    """A request that comes twice, the copy after a restart: a run is done once, and nothing of it is there any more."""
    await world.create()
    await world.execute("x = 1")
    for generation in (1, 2):
        await world.create(generation)
        with pytest.raises(RunForgotten):
            await world.execute("x = 1")
    assert await world.execute("'x' in globals()") == "False"


async def test_slots_are_held_through_a_restart(world):
    await world.create()
    await world.create(1)
    with pytest.raises(InsufficientCapacity):
        await world.service.create(
            "other", KernelCreate(session="t", image=model.IMAGE, slots=FULL)
        )


async def test_same_and_smaller_generation_change_nothing(world):
    await world.create()
    again = await world.create(2)
    for generation in (2, 1, 0):
        assert await world.create(generation) == again


async def test_restart_of_what_is_not_there_is_refused(world):
    with pytest.raises(KernelNotFound):
        await world.create(1)
    assert world.kernels.living == {}


async def test_restart_as_something_else_is_refused(world):
    before = await world.create()
    with pytest.raises(KernelConflict):
        await world.create(1, session="other")
    assert world.service.show("k") == before


async def test_restarts_at_once_are_one(world):
    await world.create()
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(world.create(1)) for _ in range(5)]
    first, *others = [one.result() for one in asked]
    assert all(one == first for one in others)


async def test_kernel_that_has_died_is_restarted(world):
    await world.create()
    world.kernels.living["k"].die(Exit(code=1))
    assert (await world.create(1)).status == "RUNNING"


async def test_restart_that_fails_ends_the_kernel_and_may_be_tried_again(world):
    await world.create()
    world.kernels.refusal = KernelNotStarted("no folder", code="mount-source-missing")
    with pytest.raises(KernelNotStarted, match="no folder"):
        await world.create(1)
    view = world.service.show("k")
    assert (view.status, view.reason) == ("TERMINATED", "not restarted: no folder")
    assert world.scratch.removed == []
    world.kernels.refusal = None
    assert (await world.create(1)).status == "RUNNING"


async def test_restart_that_fails_late_leaves_nothing_running(world):
    """What is said to have ended has. Let a new process have no way to its peers, which is known when it runs."""
    await world.create()
    world.network.failure = KernelNotStarted("It cannot reach its peers")
    with pytest.raises(KernelNotStarted, match="peers"):
        await world.create(1)
    assert world.service.show("k").status == "TERMINATED"
    assert world.kernels.living == {}


async def test_destroyed_while_it_restarts(world):
    await world.create()
    world.kernels.gate.clear()
    restart = asyncio.get_running_loop().create_task(world.create(1))
    await tasks.pause(0)
    await tasks.pause(0)
    with pytest.raises(KernelRestarted):
        world.service.executing("k")
    destroyed = asyncio.get_running_loop().create_task(world.service.destroy("k"))
    await tasks.pause(0)
    world.kernels.gate.set()
    with pytest.raises(KernelTerminated):
        await restart
    await destroyed
    assert world.kernels.living == {}
    assert world.service.inventory() == []


async def test_agent_that_dies_in_the_middle_is_asked_again(world):
    await world.create()
    world.kernels.gate.clear()
    restart = asyncio.get_running_loop().create_task(world.create(1))
    await tasks.pause(0)
    await tasks.pause(0)
    await world.next_life()
    view = world.service.show("k")
    assert (view.status, view.reason) == ("TERMINATED", "its agent died while it was restarted")
    assert world.kernels.living == {}
    world.kernels.gate.set()
    assert (await world.create(1)).status == "RUNNING"
    restart.cancel()


async def test_generation_outlives_the_agent(world):
    await world.create()
    again = await world.create(1)
    await world.next_life()
    assert (await world.create(1)).pid == again.pid
    assert (await world.create(2)).pid != again.pid
