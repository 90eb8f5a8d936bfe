"""The address of a run's stream; what is told and said is passed on from and to the agent."""

from collections.abc import Sequence

from aiohttp import web

from quarterdeck.infra import http_server, websockets
from quarterdeck.manager.identity.http import principal
from quarterdeck.manager.sessions.executions import At
from quarterdeck.manager.sessions.streams import StreamService
from quarterdeck.wire.executions import SessionStreamQuery


def routes(service: StreamService) -> Sequence[web.RouteDef]:
    """Return the address."""

    async def stream(request: web.Request) -> web.StreamResponse:
        session, run = http_server.path_id(request), http_server.path_id(request, "run")
        query = http_server.query(request, SessionStreamQuery)
        at = At(principal(request), session, query.kernel)
        async with (
            service.connected(at, run, query.offset) as theirs,
            websockets.accepted(request) as ours,
        ):
            await websockets.relay(ours, theirs)
        return ours

    path = "/v1/sessions/{id}/runs/{run}/stream"
    return [http_server.route("GET", path, stream, query=SessionStreamQuery)]
