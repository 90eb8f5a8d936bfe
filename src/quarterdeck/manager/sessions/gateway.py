"""Agents from the manager's side: their HTTP API, signed with the cluster's agent secret."""

import contextlib
from collections.abc import Iterator, Mapping

from quarterdeck.base.clock import Clock
from quarterdeck.base.config import Secret
from quarterdeck.infra import http_client
from quarterdeck.infra.errors import OutcomeUnknown, Refused, Unreachable
from quarterdeck.manager.sessions import errors
from quarterdeck.wire import agents, items, sessions

_KERNEL_GONE = frozenset(
    {"kernel-not-found", "kernel-not-running", "kernel-died", "kernel-terminated"}
)

_SOMEBODY_ELSE = "other-agent"
"""At the agent's address is another one by now."""


class AgentGateway:
    """The port `Kernels` over HTTP."""

    def __init__(self, client: http_client.HttpClient, secret: Secret, clock: Clock) -> None:
        self._client = client
        self._auth = http_client.Signed(agents.CREDENTIAL, secret, clock)

    async def create(
        self, address: str, kernel: str, request: agents.KernelCreate
    ) -> agents.KernelView:
        """Make a kernel; the same again returns it as it is."""
        with _translated():
            return await self._client.call(
                "PUT", _url(address, kernel), agents.KernelView, auth=self._auth, body=request
            )

    async def destroy(self, address: str, kernel: str) -> None:
        """End a kernel, with all that belongs to it; nothing happens if it is not there."""
        with _translated():
            await self._client.call("DELETE", _url(address, kernel), type(None), auth=self._auth)

    async def inventory(self, address: str) -> Mapping[str, agents.KernelView]:
        """Return all kernels by id."""
        with _translated():
            found = await self._client.call(
                "GET", f"{address}/v1/kernels", items.Items[agents.KernelView], auth=self._auth
            )
        return {view.id: view for view in found.items}

    async def execute(
        self, address: str, kernel: str, code: sessions.Execute
    ) -> sessions.Execution:
        """Run code in a kernel."""
        with _translated(), _about_the_session():
            return await self._client.call(
                "POST",
                f"{_url(address, kernel)}/execute",
                sessions.Execution,
                auth=self._auth,
                body=code,
            )

    async def logs(self, address: str, kernel: str) -> sessions.Logs:
        """Return what a kernel has written."""
        with _translated(), _about_the_session():
            return await self._client.call(
                "GET", f"{_url(address, kernel)}/logs", sessions.Logs, auth=self._auth
            )


def _url(address: str, kernel: str) -> str:
    return f"{address}/v1/kernels/{kernel}"


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except Unreachable as error:
        raise errors.AgentUnreachable from error
    except OutcomeUnknown as error:
        raise errors.AgentUnsure from error
    except Refused as error:
        if error.problem.code == _SOMEBODY_ELSE:
            raise errors.AgentUnreachable from error
        raise errors.AgentRefused(error.problem.code, error.problem.detail) from error


@contextlib.contextmanager
def _about_the_session() -> Iterator[None]:
    """Give refusals that mean something to the session's user their own names."""
    try:
        yield
    except Refused as error:
        if error.problem.code in _KERNEL_GONE:
            raise errors.SessionNotRunning("The session's kernel has ended") from error
        if error.problem.code == "kernel-busy":
            raise errors.SessionBusy from error
        raise
