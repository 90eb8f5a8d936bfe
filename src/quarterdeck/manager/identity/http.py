"""Who signed a request, and the addresses of users. Every address but `/health` demands a signature."""

from collections.abc import Sequence

from aiohttp import web

from quarterdeck.infra import http_server
from quarterdeck.infra.calls import Request
from quarterdeck.manager.identity import model
from quarterdeck.manager.identity.service import Identity
from quarterdeck.wire import items, signing, users

PRINCIPAL = web.RequestKey("principal", model.Principal)
_OPEN_PATHS = frozenset({"/health"})


def principal(request: Request) -> model.Principal:
    """Return who signed the request."""
    return request[PRINCIPAL]


def authentication(identity: Identity) -> http_server.Middleware:
    """Return the middleware that refuses requests without a good signature."""

    async def authenticate(request: Request, handler: http_server.Handler) -> http_server.Reply:
        if request.path not in _OPEN_PATHS:
            claim = signing.read_claim(
                request.headers.get("Authorization"), request.headers.get(signing.DATE_HEADER)
            )
            message = await http_server.signed_message(request)
            request[PRINCIPAL] = await identity.authenticate(claim, message)
        return await handler(request)

    return authenticate


def routes(identity: Identity) -> Sequence[web.RouteDef]:
    """Return the addresses of users."""
    api = _Api(identity)
    return [
        http_server.route("POST", "/v1/users", api.create),
        http_server.route("GET", "/v1/users", api.list),
        http_server.route("GET", "/v1/users/me", api.me),
        http_server.route("DELETE", "/v1/users/{id}", api.delete),
    ]


class _Api:
    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    async def create(self, request: web.Request) -> web.Response:
        given = await http_server.body(request, users.UserCreate)
        return http_server.reply(await self._identity.create(principal(request), given), 201)

    async def list(self, request: web.Request) -> web.Response:
        found = await self._identity.list(principal(request))
        return http_server.reply(items.Items(list(found)))

    async def me(self, request: web.Request) -> web.Response:
        return http_server.reply(await self._identity.me(principal(request)))

    async def delete(self, request: web.Request) -> web.Response:
        await self._identity.delete(principal(request), http_server.path_id(request))
        return http_server.no_content()
