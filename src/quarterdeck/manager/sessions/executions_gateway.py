"""What runs in kernels, from the manager's side: the agents' HTTP API, signed with the cluster's agent secret."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import TypeVar

from quarterdeck.base.clock import Clock
from quarterdeck.base.config import Secret
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.infra import http_client
from quarterdeck.infra.errors import OutcomeUnknown, Refused, Unreachable
from quarterdeck.manager.sessions import errors
from quarterdeck.manager.sessions.gateway import translated, url
from quarterdeck.wire import agents, sessions
from quarterdeck.wire.executions import (
    Complete,
    Completion,
    Execute,
    Execution,
    Input,
    Interrupt,
    RunQuery,
)

_T = TypeVar("_T")

_KERNEL_GONE = frozenset(
    {"kernel-not-found", "kernel-not-running", "kernel-died", "kernel-terminated"}
)
_OF_RUNS: Mapping[str, type[QuarterdeckError]] = {
    each.code: each
    for each in (
        errors.SessionBusy,
        errors.RunNotFound,
        errors.RunForgotten,
        errors.RunConflict,
        errors.InputNotWanted,
        errors.TooManyWaiters,
        errors.KernelRestarted,
    )
}
_OF_TERMINALS = frozenset({"terminals-unsupported", "terminal-failed", "too-many-terminals"})


class RunGateway:
    """The port `Runs` over HTTP."""

    def __init__(self, client: http_client.HttpClient, secret: Secret, clock: Clock) -> None:
        self._client = client
        self._auth = http_client.Signed(agents.CREDENTIAL, secret, clock)

    async def execute(self, address: str, kernel: str, run: str, given: Execute) -> Execution:
        """Run code or a command in a kernel under an id; the same again is the same run."""
        return await self.call("PUT", _run(address, kernel, run), Execution, given)

    async def look(self, address: str, kernel: str, run: str, query: RunQuery) -> Execution:
        """Return what has come of a run, after some time if there is nothing new."""
        where = f"?offset={query.offset}&wait={query.wait:g}"
        return await self.call("GET", _run(address, kernel, run) + where, Execution)

    async def reply(self, address: str, kernel: str, run: str, given: Input) -> None:
        """Give a run input."""
        await self.call("POST", f"{_run(address, kernel, run)}/input", type(None), given)

    async def interrupt(self, address: str, kernel: str, given: Interrupt) -> None:
        """Interrupt a run, or whatever runs."""
        await self.call("POST", f"{url(address, kernel)}/interrupt", type(None), given)

    async def complete(self, address: str, kernel: str, given: Complete) -> Completion:
        """Return how code could go on."""
        return await self.call("POST", f"{url(address, kernel)}/complete", Completion, given)

    async def logs(self, address: str, kernel: str) -> sessions.Logs:
        """Return what a kernel has written."""
        return await self.call("GET", f"{url(address, kernel)}/logs", sessions.Logs)

    async def call(
        self, method: str, target: str, type_: type[_T], body: object | None = None
    ) -> _T:
        """Call an agent, and give what it says of a session its own name."""
        try:
            return await self._client.call(method, target, type_, auth=self._auth, body=body)
        except (Refused, Unreachable, OutcomeUnknown):
            with translated(), _named():
                raise


def _run(address: str, kernel: str, run: str) -> str:
    return f"{url(address, kernel)}/runs/{run}"


@contextlib.contextmanager
def _named() -> Iterator[None]:
    """Give refusals that mean something to the session's user their own names."""
    try:
        yield
    except Refused as error:
        if error.problem.code in _KERNEL_GONE:
            raise errors.SessionNotRunning("The session's kernel has ended") from error
        if error.problem.code in _OF_RUNS:
            raise _OF_RUNS[error.problem.code] from error
        if error.problem.code in _OF_TERMINALS:
            raise errors.TerminalRefused(error.problem.code, error.problem.detail) from error
        raise
