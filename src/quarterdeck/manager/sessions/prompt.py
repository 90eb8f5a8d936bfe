"""Sessions in one request: made, run and heard of, or ended, for a client that may wait for it."""

import logging
from dataclasses import dataclass
from functools import partial

import msgspec

from quarterdeck.base import ids
from quarterdeck.base.clock import Clock
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.manager.identity.model import Principal
from quarterdeck.manager.sessions import model
from quarterdeck.manager.sessions.executions import At, ExecutionService
from quarterdeck.manager.sessions.routes import Routes
from quarterdeck.manager.sessions.service import Made, SessionService
from quarterdeck.manager.sessions.termination import Termination
from quarterdeck.manager.sessions.waiting import HistoryService, Patience
from quarterdeck.manager.sessions.watch import Ran, Watch
from quarterdeck.wire import sessions
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.executions import Execute, Execution, ExecutionStatus
from quarterdeck.wire.starts import SessionStarted

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """A session that was asked for; `new`: it was not there before."""

    view: sessions.SessionView
    new: bool


class PromptService:
    """The use cases."""

    def __init__(
        self,
        service: SessionService,
        history: HistoryService,
        executions: ExecutionService,
        *,
        routes: Routes,
        clock: Clock,
    ) -> None:
        self._service = service
        self._history = history
        self._executions = executions
        self._routes = routes
        self._clock = clock

    async def create(
        self, by: Principal, given: sessions.SessionCreate, patience: Patience
    ) -> Answer:
        """Add a session, wait until it runs or has ended, and have it run its first code.

        Raises what `SessionService.create` does, and `Invalid` for code without a wait.
        """
        if given.execute is not None and patience.seconds <= 0:
            raise Invalid("execute", "Code to run first needs a request that waits (wait=SECONDS)")
        deadline = self._clock.monotonic() + patience.seconds
        first = given.execute
        if first is not None and first.run is None:
            first = msgspec.structs.replace(first, run=ids.new(self._clock))
        watch = Watch(patience.wake, first)
        if patience.seconds <= 0:
            made = await self._service.create(by, given, watch=watch)
            await self._flush(made, watch)
            return Answer(made.view, made.new)
        with self._history.place():
            made = await self._service.create(by, given, watch=watch)
            view = await self._settled(by, made, watch, patience)
            await self._flush(made, watch)
        id_ = made.view.id
        execution = watch.execution
        goes_on = execution is None or execution.status is ExecutionStatus.CONTINUED
        if first is not None and goes_on and view.status is sessions.SessionStatus.RUNNING:
            left = max(0.0, deadline - self._clock.monotonic())
            seconds = left if first.wait is None else min(left, first.wait)
            first = msgspec.structs.replace(first, wait=seconds)
            execution = await self._first(At(by, id_), first)
        return Answer(
            SessionStarted(**msgspec.structs.asdict(view), execution=execution), made.new
        )

    async def terminate(
        self, by: Principal, session: str, patience: Patience, *, force: bool
    ) -> sessions.SessionView:
        """End a session; fine if it is ending or has ended. By force, it has ended at once. Raises `SessionNotFound`."""
        ending, watch = Termination(), Watch(patience.wake)
        if force:
            await self._service.force_end(by, session)
        else:
            ending = await self._service.terminate(by, session, watch=watch)
        if patience.seconds <= 0:
            return await self._service.get(by, session)
        look = partial(self._look_at_end, by, session, ending, watch)
        with self._history.place():
            return await self._history.settled(
                session, look, patience, in_hand=lambda: watch.in_hand
            )

    async def _look_at_end(
        self, by: Principal, session: str, ending: Termination, watch: Watch
    ) -> sessions.SessionView:
        """Return a session that ends; what the lifecycle has just told of it need not be looked up."""
        return ending.view(watch.over) or await self._service.get(by, session)

    async def _flush(self, made: Made, watch: Watch) -> None:
        """Have a session on disk, unless it came there when it began to run. Raises `SessionLost`, `SessionUnsure`."""
        if made.begun is not None and not watch.flushed:
            await self._service.flush(made.view.id)

    async def _settled(
        self, by: Principal, made: Made, watch: Watch, patience: Patience
    ) -> sessions.SessionView:
        """Return a session that was made once it runs or has ended; as it was made, if that cannot be seen: it is there in any case."""
        look = partial(self._look, by, made, watch)
        try:
            with self._service.expecting(made, watch):
                view = await self._history.settled(
                    made.view.id, look, patience, in_hand=lambda: watch.in_hand
                )
            return await self._service.explained(view)
        except QuarterdeckError as error:
            extra = {"session": made.view.id, "error": repr(error)}
            _log.warning("session-not-seen", extra=extra)
            return made.view

    async def _look(self, by: Principal, made: Made, watch: Watch) -> sessions.SessionView:
        """Return a session that was made; what the lifecycle has just told of it need not be looked up."""
        ran, watch.ran = watch.ran, None
        work = watch.work
        if ran is None or ran.started_at is None or work is None:
            return await self._service.look(by, made.view.id)
        self._routes.learn(
            work.session,
            model.MAIN_HOSTNAME,
            model.Route(
                made.view.owner,
                sessions.SessionStatus.RUNNING,
                work.kernel,
                work.address,
                runs_command=bool(made.view.command),
            ),
        )
        return _running(made.view, work, ran)

    async def _first(self, at: At, first: Execute) -> Execution | None:
        """Return what came of the first code; None: that is not known. The session is there and is answered with in any case."""
        try:
            return await self._executions.execute(at, first)
        except QuarterdeckError as error:
            extra = {"session": at.session, "error": repr(error)}
            _log.warning("first-code-unclear", extra=extra)
            return None


def _running(view: sessions.SessionView, work: model.Work, ran: Ran) -> sessions.SessionView:
    """Return a session of one kernel that was made, as it is when that runs."""
    kernel = sessions.SessionKernel(
        id=work.kernel,
        role=sessions.KernelRole.MAIN,
        index=1,
        hostname=model.MAIN_HOSTNAME,
        agent=work.agent,
        status=sessions.KernelStatus.RUNNING,
        isolation=ran.isolation,
    )
    return msgspec.structs.replace(
        view,
        status=sessions.SessionStatus.RUNNING,
        agent=work.agent,
        kernels=(kernel,),
        isolation=ran.isolation,
        started_at=ran.started_at,
        expires_at=ran.expires_at,
    )
