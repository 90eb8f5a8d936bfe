"""The addresses of agents, for administrators."""

from collections.abc import Sequence

from aiohttp import web

from quarterdeck.infra import http_server
from quarterdeck.manager.agents.service import AgentService
from quarterdeck.manager.identity.http import principal
from quarterdeck.wire import items
from quarterdeck.wire.agents import AgentDrain


def routes(service: AgentService) -> Sequence[web.RouteDef]:
    """Return the addresses of agents."""

    async def list_(request: web.Request) -> web.Response:
        return http_server.reply(items.Items(list(await service.list(principal(request)))))

    async def drain(request: web.Request) -> web.Response:
        given = await http_server.body(request, AgentDrain)
        id_ = request.match_info["id"]
        return http_server.reply(await service.drain(principal(request), id_, given))

    async def resume(request: web.Request) -> web.Response:
        id_ = request.match_info["id"]
        return http_server.reply(await service.resume(principal(request), id_))

    return [
        http_server.route("GET", "/v1/agents", list_),
        http_server.route("POST", "/v1/agents/{id}/drain", drain),
        http_server.route("DELETE", "/v1/agents/{id}/drain", resume),
    ]
