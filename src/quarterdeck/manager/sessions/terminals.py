"""Terminals in sessions: found in the database, opened and connected on the agents. A session of another user does not exist."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import quote

from quarterdeck.infra import http_client, websockets
from quarterdeck.infra.errors import HandshakeRefused, Unreachable
from quarterdeck.manager.sessions import errors
from quarterdeck.manager.sessions.executions import At, ExecutionService
from quarterdeck.manager.sessions.executions_gateway import RunGateway
from quarterdeck.manager.sessions.gateway import url
from quarterdeck.wire.terminals import Size, TerminalView

NOT_FOUND = 404
CALL_SECONDS_MAX = 15.0
"""An agent that has not opened or closed a terminal by then may still do it."""


class TerminalService:
    """The use cases. Each raises `SessionNotFound`, `SessionNotRunning`, `KernelNotFound`, `AgentFailure`."""

    def __init__(
        self,
        executions: ExecutionService,
        runs: RunGateway,
        clients: websockets.Clients,
        auth: http_client.Auth,
    ) -> None:
        self._executions = executions
        self._runs = runs
        self._clients = clients
        self._auth = auth

    async def open(self, at: At, name: str, size: Size) -> TerminalView:
        """Open a terminal, or give one that is open this size."""
        where = await self._url(at, name)
        async with _answered():
            return await self._runs.call("PUT", where, TerminalView, size)

    async def close(self, at: At, name: str) -> None:
        """End a terminal; fine if it is not there."""
        where = await self._url(at, name)
        async with _answered():
            await self._runs.call("DELETE", where, type(None))

    @contextlib.asynccontextmanager
    async def connected(self, at: At, name: str) -> AsyncIterator[websockets.Socket]:
        """Be connected to a terminal for the time of a block. Raises `TerminalNotFound`."""
        where = await self._url(at, name)
        try:
            async with self._clients.connect(where, auth=self._auth) as socket:
                yield socket
        except HandshakeRefused as error:
            if error.status == NOT_FOUND:
                raise errors.TerminalNotFound from error
            raise errors.AgentUnreachable from error
        except Unreachable as error:
            raise errors.AgentUnreachable from error

    async def _url(self, at: At, name: str) -> str:
        address, kernel = await self._executions.kernel(at)
        return f"{url(address, kernel)}/terminals/{quote(name, safe='')}"


@contextlib.asynccontextmanager
async def _answered() -> AsyncIterator[None]:
    """Wait for an agent no longer than `CALL_SECONDS_MAX`. Raises `AgentUnsure`."""
    try:
        async with asyncio.timeout(CALL_SECONDS_MAX):
            yield
    except TimeoutError as error:
        raise errors.AgentUnsure from error
