"""The address of a run's stream in the agent's HTTP API: a WebSocket that tells what the run writes, and takes input and interrupts."""

import contextlib
from collections.abc import AsyncGenerator, Sequence

import aiohttp
from aiohttp import web

from quarterdeck.agent.executions import Executions
from quarterdeck.agent.kernels.errors import TooManyWatchers
from quarterdeck.base import tasks
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.infra import http_server, websockets
from quarterdeck.wire import decode, executions
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.executions import Execution, Interrupt, Said, StreamQuery


def routes(service: Executions) -> Sequence[web.RouteDef]:
    """Return the address."""

    async def stream(request: web.Request) -> web.StreamResponse:
        kernel, run = http_server.path_id(request), http_server.path_id(request, "run")
        offset = http_server.query(request, StreamQuery).offset
        told = service.stream(kernel, run, offset)
        async with (
            contextlib.aclosing(told),
            websockets.accepted(request) as socket,
            tasks.background() as background,
        ):
            background.start(_tell(told, socket))
            await _Listener(service, kernel, run).listen(socket)
        return socket

    path = "/v1/kernels/{id}/runs/{run}/stream"
    return [http_server.route("GET", path, stream, query=StreamQuery)]


async def _tell(told: AsyncGenerator[Execution, None], socket: web.WebSocketResponse) -> None:
    """Send what comes, and close after the last of it. A client that does not read is waited for, and holds one message."""
    code = executions.ENDED
    with contextlib.suppress(ConnectionError):
        try:
            async for seen in told:
                await socket.send_str(decode.encode(seen).decode())
        except TooManyWatchers:
            code = executions.LATER
        await socket.close(code=code)


class _Listener:
    def __init__(self, service: Executions, kernel: str, run: str) -> None:
        self._service = service
        self._kernel = kernel
        self._run = run

    async def listen(self, socket: web.WebSocketResponse) -> None:
        """Do what the client says, until it closes."""
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                await socket.close(code=executions.REFUSED)
                return
            try:
                self._do(decode.decode(Said, message.data.encode()))
            except Invalid:
                await socket.close(code=executions.REFUSED)
            except QuarterdeckError:
                await socket.close(code=executions.NOT_WANTED)

    def _do(self, said: Said) -> None:
        if said.interrupt:
            with contextlib.suppress(QuarterdeckError):  # it has ended with its kernel
                self._service.interrupt(self._kernel, Interrupt(self._run))
        if said.reply is not None:
            self._service.reply(self._kernel, self._run, said.reply)
