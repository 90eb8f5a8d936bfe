"""Sessions in one request, on fakes: what is answered when all goes well, when the lifecycle fails, when time is up."""

import contextlib

import msgspec
import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.base.tasks import Wake
from quarterdeck.infra.errors import DatabaseUnavailable
from quarterdeck.manager.identity.model import Principal
from quarterdeck.manager.sessions import errors, model
from quarterdeck.manager.sessions.executions import ExecutionService
from quarterdeck.manager.sessions.prompt import PromptService
from quarterdeck.manager.sessions.routes import Routes
from quarterdeck.manager.sessions.service import Made
from quarterdeck.manager.sessions.termination import Termination
from quarterdeck.manager.sessions.waiting import HistoryService, Patience
from quarterdeck.manager.sessions.watch import Over, Ran
from quarterdeck.testing.fakes import views
from quarterdeck.testing.fakes.clock import EPOCH
from quarterdeck.testing.fakes.manager import ADDRESS, AGENT
from quarterdeck.testing.fakes.runs import FakeRuns
from quarterdeck.wire.agents import KernelCreate
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.executions import Execute, Execution, ExecutionStatus
from quarterdeck.wire.sessions import (
    IsolationLevel,
    KernelRole,
    KernelStatus,
    SessionCreate,
    SessionKernel,
    SessionResult,
    SessionStatus,
    Slots,
)
from quarterdeck.wire.users import Role

ADA = Principal("ada", Role.USER)
WORK = model.Work(
    *("s", KernelStatus.CREATING, "k", AGENT, ADDRESS, 0.0),
    request=KernelCreate(session="s", image="python:3.11", slots=Slots()),
)
DUE = model.Due(AGENT, "s", "k")
RAN = Ran(IsolationLevel.NAMESPACED, EPOCH)
CODE = SessionCreate(image="python:3.11", execute=Execute("1"))


KERNEL = SessionKernel(
    id="k",
    role=KernelRole.MAIN,
    index=1,
    hostname="main1",
    agent=AGENT,
    status=KernelStatus.CREATING,
)
CREATING = views.session(SessionStatus.CREATING, KERNEL)


class Sessions:
    """The use cases of sessions: one that begins, and what the lifecycle tells of it; `looks` are the states that are seen after that."""

    def __init__(self, ran=RAN, begun=WORK, looks=()):
        self.ran, self.begun, self.looks, self.looked = ran, begun, list(looks), 0
        self.termination, self.made, self.flushes = Termination([DUE]), 0, []
        self.flushed, self.over, self.there = False, None, True
        self.execution, self.first, self.expected = None, Execute(""), None

    async def create(self, _by, _given, *, watch):
        self.made += 1
        watch.ran, watch.flushed, watch.execution = self.ran, self.flushed, self.execution
        watch.work = WORK
        self.first = watch.first
        watch.wake.set()
        return Made(
            CREATING if self.begun else views.session(SessionStatus.PENDING), begun=self.begun
        )

    def expecting(self, made, _watch):
        self.expected = made.view.id
        return contextlib.nullcontext()

    async def flush(self, session):
        self.flushes.append(session)
        if not self.there:
            raise errors.SessionLost

    async def terminate(self, _by, _session, *, watch):
        watch.over = self.over
        watch.wake.set()
        return self.termination

    async def get(self, by, session):
        return await self.explained(await self.look(by, session))

    async def explained(self, seen):
        reason = "explained" if seen.status is SessionStatus.PENDING else None
        return msgspec.structs.replace(seen, reason=reason)

    async def look(self, _by, _session):
        self.looked += 1
        if not self.looks:
            raise DatabaseUnavailable
        return views.session(self.looks.pop(0) if len(self.looks) > 1 else self.looks[0])


class Bell:
    """Rings as soon as somebody waits."""

    @contextlib.contextmanager
    def waiting(self, _session, wake):
        wake.set()
        yield


class Lookups:
    """The books: no route is asked for but where none is remembered."""

    async def route(self, session, hostname):
        if (session, hostname) != ("s", "main1"):
            return None
        return model.Route("ada", SessionStatus.RUNNING, "k", ADDRESS)

    async def history(self, session, after):
        raise NotImplementedError

    async def kept_logs(self, session):
        raise NotImplementedError

    async def situation(self, session):
        raise NotImplementedError


def service(sessions, runs=None):
    lookups, clock = Lookups(), SystemClock()
    routes = Routes(lookups)
    executions = ExecutionService(lookups, routes, runs or FakeRuns({"k"}), clock)
    history = HistoryService(lookups, Bell(), clock)
    return PromptService(sessions, history, executions, routes=routes, clock=clock)


def patience(seconds=5.0, until=SessionStatus.RUNNING):
    return Patience(seconds, Wake(), lambda: False, until)


async def test_what_the_lifecycle_tells_is_the_answer_without_a_look():
    """Nothing is asked twice. Have the lifecycle tell that the kernel runs; the answer has its state and its code's outcome."""
    sessions = Sessions()
    answer = await service(sessions).create(ADA, CODE, patience())
    assert (answer.view.status, answer.view.started_at) == ("RUNNING", EPOCH)
    assert (answer.view.kernels[0].status, answer.view.isolation) == ("RUNNING", "namespaced")
    assert answer.view.execution.stdout == "1"
    assert sessions.looked == 0


async def test_who_waited_for_a_place_is_answered_with_what_the_lifecycle_tells():
    """The longer way ends like the short one. Have a session wait, and its kernel run; the answer has the kernel, nothing is looked up or flushed."""
    sessions = Sessions(begun=None)
    answer = await service(sessions).create(ADA, CODE, patience())
    assert (answer.view.status, answer.view.agent, answer.view.started_at) == (
        *("RUNNING", AGENT),
        EPOCH,
    )
    assert [(one.id, one.status) for one in answer.view.kernels] == [("k", "RUNNING")]
    assert (sessions.expected, sessions.looked, sessions.flushes) == ("s", 0, [])


@pytest.mark.parametrize("ran", [None, Ran(IsolationLevel.PROCESS)])
async def test_what_did_not_run_at_once_is_looked_at_until_it_does(ran):
    """An agent may be slow. Tell of no kernel, or of one whose session waits for others; the session is looked at until it runs."""
    sessions = Sessions(ran, looks=[SessionStatus.CREATING, SessionStatus.RUNNING])
    answer = await service(sessions).create(ADA, CODE, patience())
    assert (answer.view.status, answer.view.execution.stdout) == ("RUNNING", "1")
    assert sessions.looked == 2


async def test_session_that_ends_instead_is_the_answer():
    """An end ends the wait. Have it end before it runs; its code is not run."""
    sessions = Sessions(None, looks=[SessionStatus.TERMINATED])
    answer = await service(sessions).create(ADA, CODE, patience())
    assert (answer.view.status, answer.view.execution) == ("TERMINATED", None)


async def test_when_time_is_up_the_session_is_answered_as_it_is():
    """Nobody waits longer than he wants to. Wait a moment for a session that stays PENDING."""
    sessions = Sessions(None, None, looks=[SessionStatus.PENDING])
    answer = await service(sessions).create(ADA, CODE, patience(1e-9))
    assert (answer.view.status, answer.view.execution) == ("PENDING", None)
    assert answer.view.reason == "explained"


async def test_code_whose_outcome_is_not_known_costs_no_session():
    """The session is there, whatever became of its first code. Have the kernel gone when the code comes; the answer is the session."""
    answer = await service(Sessions(), FakeRuns()).create(ADA, CODE, patience())
    assert (answer.view.status, answer.view.execution) == ("RUNNING", None)


@pytest.mark.parametrize(("status", "asked"), [("ok", 0), ("waiting-input", 0), ("continued", 1)])
async def test_code_that_was_run_with_the_creation_is_only_followed_if_it_goes_on(status, asked):
    """Nothing is asked twice. Have the kernel come with the outcome of its first code, or without; what goes on is followed by the same id."""
    runs = FakeRuns({"k"})
    sessions = Sessions()
    sessions.execution = Execution(status=ExecutionStatus(status), stdout="told", stderr="")
    answer = await service(sessions, runs).create(ADA, CODE, patience())
    assert answer.view.execution.stdout == ("1" if asked else "told")
    assert set(runs.runs) == ({sessions.first.run} if asked else set())


async def test_code_needs_a_wait():
    """Nobody would hear of it. Ask for code without a wait; nothing is made."""
    with pytest.raises(Invalid) as refused:
        await service(Sessions()).create(ADA, CODE, patience(0))
    assert refused.value.field == "execute"


@pytest.mark.parametrize("kernels", [[DUE], []])
async def test_end_is_waited_for_whoever_began_it(kernels):
    """An end is an end. Wait for one that begins with this request, and one that began before."""
    sessions = Sessions(looks=[SessionStatus.TERMINATING, SessionStatus.TERMINATED])
    sessions.termination = Termination(kernels)
    seen = await service(sessions).terminate(ADA, "s", patience(until=None), force=False)
    assert seen.status == "TERMINATED"


async def test_what_the_lifecycle_tells_of_an_end_is_the_answer_without_a_look():
    """Nothing is asked twice. Have the lifecycle tell that the session is over; the answer has all that has changed."""
    sessions = Sessions()
    ending = msgspec.structs.replace(KERNEL, status=KernelStatus.TERMINATING)
    before = views.session(SessionStatus.RUNNING, ending)
    sessions.termination = Termination([DUE], WORK, before)
    sessions.over = Over(EPOCH, "user-requested", SessionResult.SUCCESS, started_at=EPOCH)
    seen = await service(sessions).terminate(ADA, "s", patience(until=None), force=False)
    assert (seen.status, seen.reason, seen.result) == ("TERMINATED", "user-requested", "SUCCESS")
    assert (seen.terminated_at, seen.started_at) == (EPOCH, EPOCH)
    assert [kernel.status for kernel in seen.kernels] == ["TERMINATED"]
    assert sessions.looked == 0


@pytest.mark.parametrize(
    ("ran", "flushed", "seconds", "flushes"),
    [
        (RAN, True, 5.0, []),
        (RAN, False, 5.0, ["s"]),
        (None, False, 5.0, ["s"]),
        (None, False, 0, ["s"]),
    ],
)
async def test_no_answer_comes_before_the_session_is_on_disk(ran, flushed, seconds, flushes):
    """What was answered is never forgotten. Have it flushed with its run or not, and ask without a wait."""
    sessions = Sessions(ran, looks=[SessionStatus.RUNNING])
    sessions.flushed = flushed
    await service(sessions).create(ADA, SessionCreate(image="python:3.11"), patience(seconds))
    assert sessions.flushes == flushes


async def test_session_that_the_database_has_lost_is_no_answer():
    """A crash may forget it before it is on disk. Lose it; the request fails, and says that nothing was made."""
    sessions = Sessions(None, looks=[SessionStatus.RUNNING])
    sessions.there = False
    with pytest.raises(errors.SessionLost) as lost:
        await service(sessions).create(ADA, CODE, patience())
    assert lost.value.code == "unavailable"


async def test_session_that_cannot_be_seen_is_answered_as_it_was_made():
    """What was made is never lost. Have the database gone when the session is looked at; the answer has its id."""
    answer = await service(Sessions(None)).create(ADA, CODE, patience())
    assert (answer.view.id, answer.view.status, answer.new) == ("s", "CREATING", True)


async def test_who_cannot_wait_makes_nothing(monkeypatch):
    """So many wait and no more. Have room for none; nothing is made, and nothing ends unseen."""
    monkeypatch.setattr("quarterdeck.manager.sessions.waiting.WAITERS_MAX", 0)
    sessions = Sessions()
    with pytest.raises(errors.TooManyWaiters):
        await service(sessions).create(ADA, CODE, patience())
    assert sessions.made == 0


async def test_who_waits_for_an_end_in_vain_is_told(monkeypatch):
    """The same bound holds for ends. Have room for none."""
    monkeypatch.setattr("quarterdeck.manager.sessions.waiting.WAITERS_MAX", 0)
    with pytest.raises(errors.TooManyWaiters):
        await service(Sessions()).terminate(ADA, "s", patience(), force=False)
