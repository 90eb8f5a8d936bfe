"""The addresses of folders. A folder of another user does not exist."""

from collections.abc import Sequence

from aiohttp import web

from quarterdeck.infra import http_server
from quarterdeck.manager.folders.cloning import Cloning
from quarterdeck.manager.folders.gate import Gate
from quarterdeck.manager.folders.service import FolderService
from quarterdeck.manager.identity.http import principal
from quarterdeck.wire import folders, items


def routes(service: FolderService, gate: Gate, cloning: Cloning) -> Sequence[web.RouteDef]:
    """Return the addresses of folders."""
    api = _Api(service, gate, cloning)
    one = "/v1/folders/{id}"
    return [
        http_server.route("POST", "/v1/folders", api.create),
        http_server.route("GET", "/v1/folders", api.list, query=folders.FolderQuery),
        http_server.route("GET", one, api.get),
        http_server.route("PATCH", one, api.rename),
        http_server.route("DELETE", one, api.delete, query=folders.FolderDelete),
        http_server.route("POST", f"{one}/restore", api.restore),
        http_server.route("POST", f"{one}/purge", api.purge),
        http_server.route("POST", f"{one}/clone", api.clone),
        http_server.route("POST", f"{one}/grants", api.grant),
        http_server.route("GET", f"{one}/history", api.history),
    ]


class _Api:
    def __init__(self, service: FolderService, gate: Gate, cloning: Cloning) -> None:
        self._service = service
        self._gate = gate
        self._cloning = cloning

    async def create(self, request: web.Request) -> web.Response:
        given = await http_server.body(request, folders.FolderCreate)
        return http_server.reply(await self._service.create(principal(request), given), 201)

    async def list(self, request: web.Request) -> web.Response:
        query = http_server.query(request, folders.FolderQuery)
        found = await self._gate.list(principal(request), query)
        return http_server.reply(items.Items(list(found)))

    async def get(self, request: web.Request) -> web.Response:
        folder = http_server.path_id(request)
        return http_server.reply(await self._service.get(principal(request), folder))

    async def rename(self, request: web.Request) -> web.Response:
        folder = http_server.path_id(request)
        given = await http_server.body(request, folders.FolderChange)
        return http_server.reply(await self._service.rename(principal(request), folder, given))

    async def delete(self, request: web.Request) -> web.Response:
        folder = http_server.path_id(request)
        given = http_server.query(request, folders.FolderDelete)
        return http_server.reply(await self._service.delete(principal(request), folder, given))

    async def restore(self, request: web.Request) -> web.Response:
        folder = http_server.path_id(request)
        return http_server.reply(await self._service.restore(principal(request), folder))

    async def purge(self, request: web.Request) -> web.Response:
        folder = http_server.path_id(request)
        return http_server.reply(await self._service.purge(principal(request), folder))

    async def clone(self, request: web.Request) -> web.Response:
        folder = http_server.path_id(request)
        given = await http_server.body(request, folders.FolderClone)
        return http_server.reply(await self._cloning.clone(principal(request), folder, given), 201)

    async def grant(self, request: web.Request) -> web.Response:
        folder = http_server.path_id(request)
        given = await http_server.body(request, folders.TokenRequest)
        return http_server.reply(await self._service.grant(principal(request), folder, given))

    async def history(self, request: web.Request) -> web.Response:
        folder = http_server.path_id(request)
        rows = await self._gate.history(principal(request), folder)
        return http_server.reply(items.Items(list(rows)))
