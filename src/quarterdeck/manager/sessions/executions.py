"""What users run in sessions: code, commands, input, interrupts, completions; and their logs. A session of another user does not exist."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from quarterdeck.base import ids
from quarterdeck.base.clock import Clock
from quarterdeck.manager.identity.model import Principal
from quarterdeck.manager.sessions import errors, model, ports
from quarterdeck.manager.sessions.routes import Routes
from quarterdeck.wire import sessions
from quarterdeck.wire.executions import (
    WAIT_SECONDS_MAX,
    Complete,
    Completion,
    Execute,
    Execution,
    Input,
    Interrupt,
    RunQuery,
)

ANSWER_SECONDS_MAX = 10.0
"""Of an agent, beyond the time that the user wants it to wait."""

_T = TypeVar("_T")
_Kernel = tuple[str, str]
"""Its agent's address and its id."""


class At(NamedTuple):
    """Who asks for something in which kernel of a session."""

    by: Principal
    session: str
    hostname: str = model.MAIN_HOSTNAME


class ExecutionService:
    """The use cases. Each raises `SessionNotFound`, `SessionNotRunning`, `KernelNotFound`, `AgentFailure`, and what the kernel says of the run.

    What is about code raises `SessionTakesNoCode`, too.
    """

    def __init__(
        self, lookups: ports.Lookups, routes: Routes, runs: ports.Runs, clock: Clock
    ) -> None:
        self._lookups = lookups
        self._routes = routes
        self._runs = runs
        self._clock = clock

    async def execute(self, at: At, given: Execute) -> Execution:
        """Run code or a command; the same id again runs nothing again. Raises `SessionBusy`, `RunConflict`, `RunForgotten`."""
        run = given.run or ids.new(self._clock)
        seconds = WAIT_SECONDS_MAX if given.wait is None else given.wait
        return await self._call(at, seconds, lambda to: self._runs.execute(*to, run, given))

    async def look(self, at: At, run: str, query: RunQuery) -> Execution:
        """Return what has come of a run from an offset on. Raises `RunNotFound`, `RunForgotten`."""
        return await self._call(at, query.wait, lambda to: self._runs.look(*to, run, query))

    async def reply(self, at: At, run: str, given: Input) -> None:
        """Give a run the input that it asks for. Raises `RunNotFound`, `RunForgotten`, `InputNotWanted`."""
        await self._call(at, 0, lambda to: self._runs.reply(*to, run, given))

    async def interrupt(self, at: At, given: Interrupt) -> None:
        """Interrupt a run, or whatever runs. Raises `RunNotFound`, `RunForgotten`."""
        await self._call(at, 0, lambda to: self._runs.interrupt(*to, given))

    async def complete(self, at: At, given: Complete) -> Completion:
        """Return how code could go on. Raises `SessionBusy`."""
        return await self._call(at, 0, lambda to: self._runs.complete(*to, given))

    async def logs(self, at: At) -> sessions.Logs:
        """Return what a kernel of a session has written, of one with a command also after its end."""
        route = await self._route(at)
        try:
            return await _answer(0, self._runs.logs(*_found(route)))
        except errors.SessionNotRunning:
            kept = await self._lookups.kept_logs(at.session) if route.runs_command else None
            if kept is None:
                raise
            return kept

    async def coding_kernel(self, at: At) -> tuple[str, str]:
        """Return the address and the id of a kernel that runs and takes code."""
        return await self._kernel(at)

    async def kernel(self, at: At) -> tuple[str, str]:
        """Return the address and the id of a kernel that runs, whatever it runs."""
        return _found(await self._route(at))

    async def _call(self, at: At, seconds: float, call: Callable[[_Kernel], Awaitable[_T]]) -> _T:
        """Call a kernel that takes code; where it was remembered to be, and if it is not there, where it is by the books.

        Every call may be repeated: a run has an id, and an answer to it a number.
        """
        remembered = self._routes.remembered(at.session, at.hostname)
        if remembered is not None and at.by.may_see(remembered.owner):
            try:
                return await _answer(seconds, call(_coding(remembered)))
            except (errors.AgentUnreachable, errors.SessionNotRunning):
                self._routes.forget(at.session)
        return await _answer(seconds, call(await self._kernel(at)))

    async def _kernel(self, at: At) -> tuple[str, str]:
        """Return the address and the id of a kernel that takes code."""
        return _coding(await self._route(at))

    async def _route(self, at: At) -> model.Route:
        route = await self._routes.ask(at.session, at.hostname)
        if route is None or not at.by.may_see(route.owner):
            raise errors.SessionNotFound
        if route.kernel is None and route.status is sessions.SessionStatus.RUNNING:
            raise errors.KernelNotFound(
                f"The session has no kernel {at.hostname!r}", field="kernel"
            )
        return route


def _coding(route: model.Route) -> tuple[str, str]:
    if route.runs_command:
        raise errors.SessionTakesNoCode
    return _found(route)


def _found(route: model.Route) -> tuple[str, str]:
    if route.kernel is None:
        raise errors.SessionNotRunning(f"The session is {route.status}")
    if route.address is None:
        raise errors.AgentUnreachable
    return route.address, route.kernel


async def _answer(seconds: float, call: Awaitable[_T]) -> _T:
    """Wait for an agent that was asked to wait so long itself. Raises `AgentUnsure`."""
    try:
        async with asyncio.timeout(seconds + ANSWER_SECONDS_MAX):
            return await call
    except TimeoutError as error:
        raise errors.AgentUnsure("The agent does not answer in time") from error
