"""The addresses of terminals in the agent's HTTP API: opened by PUT, used through a WebSocket, closed by DELETE."""

import contextlib
from collections.abc import Sequence

import aiohttp
from aiohttp import web

from quarterdeck.agent.kernels.errors import TooManyViewers
from quarterdeck.agent.kernels.terminal import Terminal
from quarterdeck.agent.terminals import Terminals
from quarterdeck.base import tasks
from quarterdeck.infra import http_server, websockets
from quarterdeck.wire import decode, terminals
from quarterdeck.wire.errors import Invalid


def routes(service: Terminals) -> Sequence[web.RouteDef]:
    """Return the addresses."""
    api = _Api(service)
    path = "/v1/kernels/{id}/terminals/{name}"
    return [
        http_server.route("PUT", path, api.open),
        http_server.route("GET", path, api.connect),
        http_server.route("DELETE", path, api.close),
    ]


class _Api:
    def __init__(self, service: Terminals) -> None:
        self._service = service

    async def open(self, request: web.Request) -> web.Response:
        kernel, name = http_server.path_id(request), terminals.name(request.match_info["name"])
        size = await http_server.body(request, terminals.Size)
        return http_server.reply(await self._service.open(kernel, name, size))

    async def connect(self, request: web.Request) -> web.StreamResponse:
        kernel, name = http_server.path_id(request), terminals.name(request.match_info["name"])
        terminal = self._service.find(kernel, name)
        async with websockets.accepted(request) as socket, tasks.background() as background:
            background.start(_show(terminal, socket))
            await _type(terminal, socket)
        return socket

    async def close(self, request: web.Request) -> web.Response:
        kernel, name = http_server.path_id(request), terminals.name(request.match_info["name"])
        self._service.close(kernel, name)
        return http_server.no_content()


async def _show(terminal: Terminal, socket: web.WebSocketResponse) -> None:
    """Send what the terminal shows, and close when it has ended, or too many look at it."""
    code = terminals.ENDED
    pieces = terminal.follow()
    with contextlib.suppress(ConnectionError):
        try:
            async for piece in pieces:
                await socket.send_bytes(piece)
        except TooManyViewers:
            code = terminals.LATER
        finally:
            await pieces.aclose()
        await socket.close(code=code)


async def _type(terminal: Terminal, socket: web.WebSocketResponse) -> None:
    """Type what comes, until the other side closes."""
    async for message in socket:
        if message.type is aiohttp.WSMsgType.BINARY:
            await terminal.write(message.data)
        elif message.type is aiohttp.WSMsgType.TEXT:
            try:
                terminal.resize(decode.decode(terminals.Size, message.data.encode()))
            except Invalid:
                await socket.close(code=terminals.REFUSED)
