"""The reconciler over fakes: dead and vanished kernels end their sessions, orphans go, everything else stays."""

import dataclasses
import logging

import msgspec
import pytest

from quarterdeck.infra.errors import DatabaseUnavailable
from quarterdeck.manager.sessions import errors, model
from quarterdeck.manager.sessions.reconcile import Reconciler
from quarterdeck.testing.fakes.ledger import FakeLedger
from quarterdeck.testing.fakes.manager import (
    ADDRESS,
    AGENT,
    FakeBooks,
    FakeKernels,
    Recorder,
    kernel_of,
)
from quarterdeck.wire.agents import KernelView
from quarterdeck.wire.sessions import Slots
from quarterdeck.wire.states import KernelStatus, SessionStatus


class World:
    """A reconciler on fakes, and one RUNNING session in it."""

    def __init__(self):
        self.books, self.kernels, self.recorder = FakeBooks(), FakeKernels(), Recorder()
        self.ledger = FakeLedger(self.books)
        self.reconciler = Reconciler(
            self.ledger, self.books, self.kernels, driver=self.recorder, news=self.recorder
        )
        self.books.set("s", SessionStatus.RUNNING)
        self.has("s")

    def has(self, session, status=KernelStatus.RUNNING):
        kernel = kernel_of(session)
        self.kernels.alive[kernel] = KernelView(
            id=kernel, session=session, status=status, slots=Slots()
        )


async def test_agreement_changes_nothing():
    world = World()
    await world.reconciler.sweep()
    assert world.books.status["s"] is SessionStatus.RUNNING
    assert world.kernels.calls == [("inventory", "")]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (KernelStatus.TERMINATED, model.Reason.SELF_TERMINATED),
        (None, model.Reason.KERNEL_MISSING),
    ],
)
async def test_dead_or_missing_kernel_ends_its_session(status, reason):
    world = World()
    if status is None:
        world.kernels.alive.clear()
    else:
        world.has("s", status)
    await world.reconciler.sweep()
    assert world.books.status["s"] is SessionStatus.TERMINATING
    assert world.books.reason["s"] is reason
    assert ("drive", "s") in world.recorder.told


async def test_orphan_is_destroyed_and_a_kernel_being_made_is_not():
    world = World()
    world.books.set("young", SessionStatus.CREATING)
    world.has("young")
    world.has("forgotten")
    await world.reconciler.sweep()
    assert sorted(world.kernels.alive) == [kernel_of("s"), kernel_of("young")]


async def test_orphan_that_stays_is_told_once(caplog):
    """A log that repeats itself hides the rest. Have its agent refuse twice in the same words to destroy an orphan; there is one line of it, and one when it is gone."""
    world = World()
    world.has("forgotten")
    refused = errors.AgentRefused("unavailable", "What it left on disk cannot be removed")
    world.kernels.failures["destroy"] = [refused, refused]
    for _ in range(3):
        await world.reconciler.sweep()
    told = [one.getMessage() for one in caplog.records if one.getMessage().startswith("orphan")]
    assert told == ["orphan-stays", "orphan-destroyed"]


async def test_agent_that_does_not_answer_loses_nothing():
    world = World()
    world.kernels.failures["inventory"] = [errors.AgentUnreachable()]
    await world.reconciler.sweep()
    assert world.books.status["s"] is SessionStatus.RUNNING


async def test_death_told_by_an_event_is_found_without_a_sweep():
    world = World()
    world.has("s", KernelStatus.TERMINATED)
    await world.reconciler.kernel_changed(kernel_of("s"))
    await world.reconciler.check_suspects()
    assert world.books.status["s"] is SessionStatus.TERMINATING


async def test_event_of_a_kernel_that_should_not_run_asks_nobody():
    world = World()
    await world.reconciler.kernel_changed(kernel_of("other"))
    await world.reconciler.check_suspects()
    assert world.kernels.calls == []


async def test_agent_that_started_anew_is_looked_at():
    world = World()
    world.kernels.alive.clear()
    world.reconciler.agents_changed([AGENT])
    await world.reconciler.check_suspects()
    assert world.books.reason["s"] is model.Reason.KERNEL_MISSING


async def test_lost_agents_are_settled_until_nothing_is_left():
    world = World()
    world.ledger.lost = [["1", "2"], ["3"]]
    await world.reconciler.settle_lost()
    assert world.recorder.told == [("freed", "1"), ("freed", "2"), ("freed", "3")]


class TwoAgents(FakeLedger):
    """A ledger of two agents, of which the first cannot be read of."""

    broken = True

    async def alive(self):
        return [model.Place("odd", ADDRESS), *await super().alive()]

    async def running_on(self, agent):
        if agent == "odd":
            if self.broken:
                raise DatabaseUnavailable
            return []
        return await super().running_on(agent)


async def test_database_error_at_one_agent_keeps_no_other_from_being_looked_at(caplog):
    """One agent's trouble is its own. Have the books of the first fail while the kernel of the second is gone; that is found, and the trouble is told once, and its end."""
    caplog.set_level(logging.INFO, "quarterdeck.base.tasks")
    world = World()
    ledger = TwoAgents(world.books)
    reconciler = Reconciler(
        ledger, world.books, world.kernels, driver=world.recorder, news=world.recorder
    )
    world.kernels.alive.clear()
    await reconciler.sweep()
    await reconciler.sweep()
    assert world.books.reason["s"] is model.Reason.KERNEL_MISSING
    ledger.broken = False
    await reconciler.sweep()
    told = [(one.getMessage(), one.agent) for one in caplog.records if hasattr(one, "what")]
    assert told == [("failing", "odd"), ("working-again", "odd")]


class IdleLedger(FakeLedger):
    """A ledger of one session that may be idle for 5 seconds."""

    async def running_on(self, agent):
        running = await super().running_on(agent)
        return [dataclasses.replace(one, idle_seconds=5, session="s") for one in running]


class IdleKernels(FakeKernels):
    """An agent that tells of its kernel what is next in `idle`."""

    def __init__(self, idle):
        super().__init__()
        self._idle = list(idle)

    async def inventory(self, address):
        now = self._idle.pop(0)
        return {
            kernel: msgspec.structs.replace(view, idle_seconds=now)
            for kernel, view in (await super().inventory(address)).items()
        }


class IdleWorld(World):
    """The same world with these two."""

    def __init__(self, *idle):
        super().__init__()
        self.kernels, self.ledger = IdleKernels(idle), IdleLedger(self.books)
        self.reconciler = Reconciler(
            self.ledger, self.books, self.kernels, driver=self.recorder, news=self.recorder
        )
        self.has("s")


async def test_session_that_stays_idle_ends():
    world = IdleWorld(6.0, 6.1)
    await world.reconciler.sweep()
    assert world.books.reason["s"] is model.Reason.IDLE_TIMEOUT


async def test_session_in_which_code_began_while_others_were_looked_at_goes_on():
    world = IdleWorld(6.0, 0.0)
    await world.reconciler.sweep()
    assert world.books.status["s"] is SessionStatus.RUNNING
