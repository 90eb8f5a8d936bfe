"""The addresses of agents, for administrators."""

from collections.abc import Sequence

from aiohttp import web

from quarterdeck.infra import http_server
from quarterdeck.manager.agents.service import AgentService
from quarterdeck.manager.identity.http import principal
from quarterdeck.wire import items


def routes(service: AgentService) -> Sequence[web.RouteDef]:
    """Return the addresses of agents."""

    async def list_(request: web.Request) -> web.Response:
        return http_server.reply(items.Items(list(await service.list(principal(request)))))

    return [http_server.route("GET", "/v1/agents", list_)]
