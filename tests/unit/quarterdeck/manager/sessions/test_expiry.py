"""Sessions whose time is up, over fakes: who is asked first, and who is left for the next time."""

import asyncio

import pytest

from quarterdeck.manager.sessions import errors, model
from quarterdeck.manager.sessions.deadlines import Overdue
from quarterdeck.manager.sessions.expiry import Expiry
from quarterdeck.testing.fakes.manager import ADDRESS, AGENT, FakeKernels, Recorder
from quarterdeck.wire.agents import KernelView
from quarterdeck.wire.sessions import Slots
from quarterdeck.wire.states import KernelStatus, SessionType


class Deadlines:
    """The port `Deadlines`: what is overdue, and what was ended."""

    def __init__(self, *overdue):
        self.late, self.ended = list(overdue), []

    async def overdue(self):
        return self.late

    async def expire(self, overdue):
        self.ended.append((overdue.session, overdue.end().reason))
        return [model.Due(overdue.agent, overdue.session, overdue.kernel)]


class World:
    """The loop's step on fakes, with one session of a type that is overdue."""

    def __init__(self, type_, time_out="lifetime_seconds", address: str | None = ADDRESS):
        late = Overdue("s", type_, "k", AGENT, address, time_out, 5)
        self.deadlines, self.kernels, self.told = Deadlines(late), FakeKernels(), Recorder()
        self.suspects: list[str] = []
        self.expiry = Expiry(
            self.deadlines, self.kernels, driver=self.told, suspect=self.suspects.extend
        )

    def has(self, status):
        self.kernels.alive["k"] = KernelView(id="k", session="s", status=status, slots=Slots())


async def test_session_that_lived_long_enough_ends_without_a_question():
    world = World(SessionType.INTERACTIVE)
    await world.expiry.run()
    assert world.deadlines.ended == [("s", model.Reason.LIFETIME_TIMEOUT)]
    assert (world.kernels.calls, world.told.told) == ([], [("drive", "s")])


async def test_command_that_still_runs_is_too_late():
    world = World(SessionType.BATCH, "batch_seconds")
    world.has(KernelStatus.RUNNING)
    await world.expiry.run()
    assert world.deadlines.ended == [("s", model.Reason.TASK_TIMEOUT)]


@pytest.mark.parametrize("status", [KernelStatus.TERMINATED, None])
async def test_command_that_ended_unseen_is_left_to_the_inventory(status):
    world = World(SessionType.BATCH, "batch_seconds")
    if status is not None:
        world.has(status)
    await world.expiry.run()
    assert (world.deadlines.ended, world.suspects) == ([], [AGENT])


@pytest.mark.parametrize("address", [ADDRESS, None])
async def test_command_of_an_agent_that_does_not_answer_is_asked_for_again(address):
    world = World(SessionType.BATCH, "batch_seconds", address)
    world.kernels.failures["inventory"] = [errors.AgentUnreachable()]
    await world.expiry.run()
    assert (world.deadlines.ended, world.suspects) == ([], [])


class PatientKernels(FakeKernels):
    """Two agents that answer when both were asked; `ended_before` is what had ended when each was."""

    def __init__(self, alive, ended):
        super().__init__()
        self.alive, self._ended = alive, ended
        self.ended_before: dict[str, list[str]] = {}
        self._both = asyncio.Event()

    async def inventory(self, address):
        self.ended_before[address] = [session for session, _ in self._ended]
        if len(self.ended_before) == 2:
            self._both.set()
        await self._both.wait()
        return self.alive


async def test_agent_that_never_answers_holds_up_no_other():
    """Both agents hold back their answers until both were asked, and until the interactive session has ended."""
    world = World(SessionType.BATCH, "batch_seconds", "http://one")
    far = Overdue("far", SessionType.BATCH, "k", "two", "http://two", "batch_seconds", 5)
    plain = Overdue("plain", SessionType.INTERACTIVE, "p", AGENT, ADDRESS, "lifetime_seconds", 5)
    world.deadlines.late += [far, plain]
    world.has(KernelStatus.RUNNING)
    kernels = PatientKernels(world.kernels.alive, world.deadlines.ended)
    expiry = Expiry(world.deadlines, kernels, driver=world.told, suspect=world.suspects.extend)
    async with asyncio.timeout(4):
        await expiry.run()
    assert kernels.ended_before == {"http://one": ["plain"], "http://two": ["plain"]}
    assert sorted(session for session, _ in world.deadlines.ended) == ["far", "plain", "s"]


async def test_agent_is_asked_once_for_all_that_is_overdue_on_it():
    world = World(SessionType.BATCH, "batch_seconds")
    world.deadlines.late *= 3
    world.has(KernelStatus.RUNNING)
    await world.expiry.run()
    assert world.kernels.calls == [("inventory", "")]
    assert len(world.deadlines.ended) == 3


def test_end_says_which_limit_was_reached():
    late = Overdue("s", SessionType.BATCH, "k", AGENT, ADDRESS, "batch_seconds", 5)
    assert late.end().detail == "reached its limit of 5 seconds (batch_seconds)"
