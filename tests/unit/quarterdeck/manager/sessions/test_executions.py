"""What users run in sessions, on fakes: whose it is, where it goes, by which id."""

import pytest

from quarterdeck.base import ids
from quarterdeck.manager.identity.model import Principal
from quarterdeck.manager.sessions import errors, model
from quarterdeck.manager.sessions.executions import At, ExecutionService
from quarterdeck.manager.sessions.routes import Routes
from quarterdeck.testing.fakes.clock import FakeClock
from quarterdeck.testing.fakes.manager import ADDRESS
from quarterdeck.testing.fakes.runs import FakeRuns
from quarterdeck.wire.executions import Complete, Execute, Input, Interrupt, RunQuery
from quarterdeck.wire.sessions import Logs
from quarterdeck.wire.states import SessionStatus
from quarterdeck.wire.users import Role

ADA, BOB = Principal("ada", Role.USER), Principal("bob", Role.USER)
SESSION, RUN = "s", "0198c0de-0000-7000-8000-00000000000a"


class Lookups:
    """One session of ada's, with one kernel."""

    def __init__(self, kernel="k", address=ADDRESS, status=SessionStatus.RUNNING, **facts):
        self._route = model.Route("ada", status, kernel, address, **facts)
        self._unknown = model.Route("ada", SessionStatus.RUNNING, None, None)
        self.kept = None

    async def route(self, session, hostname):
        known = self._route if hostname == model.MAIN_HOSTNAME else self._unknown
        return known if session == SESSION else None

    async def situation(self, session):
        raise NotImplementedError

    async def kept_logs(self, session):
        return self.kept if session == SESSION else None

    async def history(self, session, after):
        raise NotImplementedError


def service(**at):
    runs = FakeRuns({"k"})
    lookups = Lookups(**at)
    return ExecutionService(lookups, Routes(lookups), runs, FakeClock()), runs


async def test_code_goes_to_the_kernel_under_an_id():
    executions, runs = service()
    done = await executions.execute(At(ADA, SESSION), Execute("1"))
    assert done.stdout == "1"
    assert ids.is_id(done.run)
    assert (await executions.execute(At(ADA, SESSION), Execute("1", run=RUN))).run == RUN
    assert (await executions.look(At(ADA, SESSION), RUN, RunQuery())).run == RUN
    assert (await executions.logs(At(ADA, SESSION))).text == "log of k"
    assert {kernel for _, kernel in runs.calls} == {"k"}


async def test_what_runs_in_the_session_of_another_does_not_exist():
    executions, runs = service()
    for attempt in (
        executions.execute(At(BOB, SESSION), Execute("1")),
        executions.look(At(BOB, SESSION), RUN, RunQuery()),
        executions.reply(At(BOB, SESSION), RUN, Input(1, "x")),
        executions.interrupt(At(BOB, SESSION), Interrupt()),
        executions.complete(At(BOB, SESSION), Complete("x")),
        executions.logs(At(BOB, SESSION)),
        executions.logs(At(ADA, "another")),
    ):
        with pytest.raises(errors.SessionNotFound):
            await attempt
    assert runs.calls == []


async def test_session_without_a_kernel_runs_nothing():
    executions, _ = service(kernel=None, status=SessionStatus.PENDING)
    with pytest.raises(errors.SessionNotRunning):
        await executions.execute(At(ADA, SESSION), Execute("1"))


async def test_session_on_a_lost_agent_cannot_be_reached():
    executions, _ = service(address=None)
    with pytest.raises(errors.AgentUnreachable):
        await executions.execute(At(ADA, SESSION), Execute("1"))


async def test_kernel_that_a_session_does_not_have_runs_nothing():
    executions, _ = service()
    with pytest.raises(errors.KernelNotFound) as refused:
        await executions.execute(At(ADA, SESSION, "sub1"), Execute("1"))
    assert refused.value.field == "kernel"


async def test_session_that_runs_a_command_takes_no_code():
    executions, _ = service(runs_command=True)
    with pytest.raises(errors.SessionTakesNoCode):
        await executions.execute(At(ADA, SESSION), Execute("1"))
    assert (await executions.logs(At(ADA, SESSION))).text == "log of k"


async def test_what_a_command_wrote_can_be_read_after_its_end():
    lookups = Lookups(kernel=None, status=SessionStatus.TERMINATED, runs_command=True)
    executions = ExecutionService(lookups, Routes(lookups), FakeRuns(), FakeClock())
    with pytest.raises(errors.SessionNotRunning):
        await executions.logs(At(ADA, SESSION))
    lookups.kept = Logs("all that it wrote", 2**21)
    assert await executions.logs(At(ADA, SESSION)) == lookups.kept
    with pytest.raises(errors.SessionNotFound):
        await executions.logs(At(BOB, SESSION))
