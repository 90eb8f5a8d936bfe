"""The addresses of folders. A folder of another user does not exist."""

from collections.abc import Sequence

from aiohttp import web

from quarterdeck.infra import http_server
from quarterdeck.manager.folders.service import FolderService
from quarterdeck.manager.identity.http import principal
from quarterdeck.wire import folders, items


def routes(service: FolderService) -> Sequence[web.RouteDef]:
    """Return the addresses of folders."""
    api = _Api(service)
    return [
        http_server.route("POST", "/v1/folders", api.create),
        http_server.route("GET", "/v1/folders", api.list),
        http_server.route("GET", "/v1/folders/{id}", api.get),
        http_server.route("DELETE", "/v1/folders/{id}", api.delete),
        http_server.route("POST", "/v1/folders/{id}/grants", api.grant),
    ]


class _Api:
    def __init__(self, service: FolderService) -> None:
        self._service = service

    async def create(self, request: web.Request) -> web.Response:
        given = await http_server.body(request, folders.FolderCreate)
        return http_server.reply(await self._service.create(principal(request), given), 201)

    async def list(self, request: web.Request) -> web.Response:
        found = await self._service.list(principal(request))
        return http_server.reply(items.Items(list(found)))

    async def get(self, request: web.Request) -> web.Response:
        folder = http_server.path_id(request)
        return http_server.reply(await self._service.get(principal(request), folder))

    async def delete(self, request: web.Request) -> web.Response:
        await self._service.delete(principal(request), http_server.path_id(request))
        return http_server.no_content()

    async def grant(self, request: web.Request) -> web.Response:
        folder = http_server.path_id(request)
        given = await http_server.body(request, folders.TokenRequest)
        return http_server.reply(await self._service.grant(principal(request), folder, given))
