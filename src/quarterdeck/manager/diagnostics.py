"""`GET /v1/diagnostics`, for administrators: what a manager holds for its clients right now. What has no client must come back to zero."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from quarterdeck.infra import http_server
from quarterdeck.manager.identity.errors import Forbidden
from quarterdeck.manager.identity.http import principal
from quarterdeck.wire.nodes import Diagnostics


def route(streams: Callable[[], int], subscriptions: Callable[[], int]) -> web.RouteDef:
    """Return the route. The functions count open streams of events, and subscriptions to notifications of the database."""

    async def answer(request: web.Request) -> web.Response:  # noqa: RUF029 - a handler
        if not principal(request).is_admin:
            raise Forbidden
        return http_server.reply(
            Diagnostics(
                tasks=len(asyncio.all_tasks()), streams=streams(), subscriptions=subscriptions()
            )
        )

    return http_server.route("GET", "/v1/diagnostics", answer)
