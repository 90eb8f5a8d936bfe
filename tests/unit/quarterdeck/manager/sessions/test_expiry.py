"""Sessions whose time is up, over fakes: who is asked first, and who is left for the next time."""

import asyncio

import pytest

from quarterdeck.manager.sessions import errors, model
from quarterdeck.manager.sessions.deadlines import Command, Overdue, timed_out
from quarterdeck.manager.sessions.expiry import Expiry
from quarterdeck.testing.fakes.manager import ADDRESS, AGENT, FakeKernels, Recorder
from quarterdeck.wire.agents import KernelView
from quarterdeck.wire.sessions import Slots
from quarterdeck.wire.states import KernelStatus

COMMAND = Command("k", AGENT, ADDRESS)
LATE = timed_out("batch_seconds", 5)


class Deadlines:
    """The port `Deadlines`: what is overdue, and what was ended."""

    def __init__(self, *overdue):
        self.late, self.ended = list(overdue), []

    async def overdue(self):
        return self.late

    async def expire(self, overdue):
        self.ended.append((overdue.session, overdue.end.reason))
        return [model.Due(AGENT, overdue.session, "k")]


class World:
    """The loop's step on fakes, with one session that is overdue."""

    def __init__(self, end=LATE, command: Command | None = COMMAND):
        late = Overdue("s", end, command)
        self.deadlines, self.kernels, self.told = Deadlines(late), FakeKernels(), Recorder()
        self.suspects: list[str] = []
        self.expiry = Expiry(
            self.deadlines, self.kernels, driver=self.told, suspect=self.suspects.extend
        )

    def has(self, status):
        self.kernels.alive["k"] = KernelView(id="k", session="s", status=status, slots=Slots())


async def test_session_that_lived_long_enough_ends_without_a_question():
    world = World(timed_out("lifetime_seconds", 5), command=None)
    await world.expiry.run()
    assert world.deadlines.ended == [("s", model.Reason.LIFETIME_TIMEOUT)]
    assert (world.kernels.calls, world.told.told) == ([], [("drive", "s")])


async def test_command_that_still_runs_is_too_late():
    world = World()
    world.has(KernelStatus.RUNNING)
    await world.expiry.run()
    assert world.deadlines.ended == [("s", model.Reason.TASK_TIMEOUT)]


@pytest.mark.parametrize("status", [KernelStatus.TERMINATED, None])
async def test_command_that_ended_unseen_is_left_to_the_inventory(status):
    world = World()
    if status is not None:
        world.has(status)
    await world.expiry.run()
    assert (world.deadlines.ended, world.suspects) == ([], [AGENT])


async def test_command_that_ended_unseen_keeps_its_result_though_its_agent_is_drained():
    """A drain takes no result away. Let a command end while nobody looks, and the deadline pass; the session is left to the inventory, which knows its exit code."""
    world = World(model.End(model.Reason.AGENT_DRAINED))
    world.has(KernelStatus.TERMINATED)
    await world.expiry.run()
    assert (world.deadlines.ended, world.suspects) == ([], [AGENT])
    world.has(KernelStatus.RUNNING)
    await world.expiry.run()
    assert world.deadlines.ended == [("s", model.Reason.AGENT_DRAINED)]


@pytest.mark.parametrize("address", [ADDRESS, None])
async def test_command_of_an_agent_that_does_not_answer_is_asked_for_again(address):
    world = World(command=Command("k", AGENT, address))
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
    world = World(command=Command("k", "one", "http://one"))
    far = Overdue("far", LATE, Command("k", "two", "http://two"))
    plain = Overdue("plain", timed_out("lifetime_seconds", 5))
    world.deadlines.late += [far, plain]
    world.has(KernelStatus.RUNNING)
    kernels = PatientKernels(world.kernels.alive, world.deadlines.ended)
    expiry = Expiry(world.deadlines, kernels, driver=world.told, suspect=world.suspects.extend)
    async with asyncio.timeout(4):
        await expiry.run()
    assert kernels.ended_before == {"http://one": ["plain"], "http://two": ["plain"]}
    assert sorted(session for session, _ in world.deadlines.ended) == ["far", "plain", "s"]


async def test_agent_is_asked_once_for_all_that_is_overdue_on_it():
    world = World()
    world.deadlines.late *= 3
    world.has(KernelStatus.RUNNING)
    await world.expiry.run()
    assert world.kernels.calls == [("inventory", "")]
    assert len(world.deadlines.ended) == 3


def test_end_says_which_limit_was_reached():
    assert LATE.detail == "reached its limit of 5 seconds (batch_seconds)"
