"""Streams of runs: found in the database, connected on the agents. A session of another user does not exist."""

import contextlib
from collections.abc import AsyncIterator

from quarterdeck.infra import http_client, websockets
from quarterdeck.infra.errors import HandshakeRefused, Unreachable
from quarterdeck.manager.sessions import errors
from quarterdeck.manager.sessions.executions import At, ExecutionService
from quarterdeck.manager.sessions.gateway import url
from quarterdeck.wire.executions import STREAM_BYTES_MAX, RunQuery

_END = RunQuery(offset=2**53)
_REFUSALS = {404: errors.RunNotFound, 410: errors.RunForgotten}


class StreamService:
    """The use case. Raises `SessionNotFound`, `SessionNotRunning`, `SessionTakesNoCode`, `KernelNotFound`, `AgentFailure`."""

    def __init__(
        self, executions: ExecutionService, clients: websockets.Clients, auth: http_client.Auth
    ) -> None:
        self._executions = executions
        self._clients = clients
        self._auth = auth

    @contextlib.asynccontextmanager
    async def connected(self, at: At, run: str, offset: int) -> AsyncIterator[websockets.Socket]:
        """Be connected to a run for the time of a block. Raises `RunNotFound`, `RunForgotten`."""
        await self._executions.look(at, run, _END)  # a refused handshake would not say why
        address, kernel = await self._executions.coding_kernel(at)
        where = f"{url(address, kernel)}/runs/{run}/stream?offset={offset}"
        try:
            async with self._clients.connect(
                where, auth=self._auth, message_bytes_max=STREAM_BYTES_MAX
            ) as socket:
                yield socket
        except HandshakeRefused as error:
            raise _REFUSALS.get(error.status, errors.AgentUnreachable) from error
        except Unreachable as error:
            raise errors.AgentUnreachable from error
