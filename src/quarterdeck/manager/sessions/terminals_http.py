"""The addresses of terminals in sessions; what is typed and shown is passed on to and from the agent."""

from collections.abc import Sequence

from aiohttp import web

from quarterdeck.infra import http_server, websockets
from quarterdeck.manager.identity.http import principal
from quarterdeck.manager.sessions.executions import At
from quarterdeck.manager.sessions.terminals import TerminalService
from quarterdeck.wire import session_queries, terminals


def routes(service: TerminalService) -> Sequence[web.RouteDef]:
    """Return the addresses."""
    api = _Api(service)
    path, kernel = "/v1/sessions/{id}/terminals/{name}", session_queries.KernelQuery
    return [
        http_server.route("PUT", path, api.open, query=kernel),
        http_server.route("GET", path, api.connect, query=kernel),
        http_server.route("DELETE", path, api.close, query=kernel),
    ]


class _Api:
    def __init__(self, service: TerminalService) -> None:
        self._service = service

    async def open(self, request: web.Request) -> web.Response:
        at, name = _at(request), terminals.name(request.match_info["name"])
        size = await http_server.body(request, terminals.Size)
        return http_server.reply(await self._service.open(at, name, size))

    async def connect(self, request: web.Request) -> web.StreamResponse:
        at, name = _at(request), terminals.name(request.match_info["name"])
        async with (
            self._service.connected(at, name) as theirs,
            websockets.accepted(request) as ours,
        ):
            await websockets.relay(ours, theirs)
        return ours

    async def close(self, request: web.Request) -> web.Response:
        at, name = _at(request), terminals.name(request.match_info["name"])
        await self._service.close(at, name)
        return http_server.no_content()


def _at(request: web.Request) -> At:
    query = http_server.query(request, session_queries.KernelQuery)
    return At(principal(request), http_server.path_id(request), query.kernel)
