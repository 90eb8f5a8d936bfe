"""The addresses of images, which everybody may see, and of registries, which are for administrators."""

from collections.abc import Sequence

from aiohttp import web

from quarterdeck.infra import http_server
from quarterdeck.manager.identity.http import principal
from quarterdeck.manager.images.service import ImageService
from quarterdeck.wire import images, items


def routes(service: ImageService) -> Sequence[web.RouteDef]:
    """Return the addresses of images and registries."""
    api = _Api(service)
    return [
        http_server.route("GET", "/v1/images", api.list, query=images.ImageQuery),
        http_server.route("GET", "/v1/images/{name:.+}", api.get),
        http_server.route("POST", "/v1/registries", api.add_registry),
        http_server.route("GET", "/v1/registries", api.list_registries),
        http_server.route("DELETE", "/v1/registries/{id}", api.delete_registry),
        http_server.route("POST", "/v1/registries/{id}/rescan", api.rescan),
        http_server.route("GET", "/v1/registries/{id}/rescan", api.latest_rescan),
        http_server.route("DELETE", "/v1/registries/{id}/rescan", api.cancel_rescan),
    ]


class _Api:
    def __init__(self, service: ImageService) -> None:
        self._service = service

    async def list(self, request: web.Request) -> web.Response:
        query = http_server.query(request, images.ImageQuery)
        return http_server.reply(items.Items(list(await self._service.list(query))))

    async def get(self, request: web.Request) -> web.Response:
        return http_server.reply(await self._service.get(request.match_info["name"]))

    async def add_registry(self, request: web.Request) -> web.Response:
        given = await http_server.body(request, images.RegistryCreate)
        return http_server.reply(await self._service.add_registry(principal(request), given), 201)

    async def list_registries(self, request: web.Request) -> web.Response:
        found = await self._service.list_registries(principal(request))
        return http_server.reply(items.Items(list(found)))

    async def delete_registry(self, request: web.Request) -> web.Response:
        await self._service.delete_registry(principal(request), http_server.path_id(request))
        return http_server.no_content()

    async def rescan(self, request: web.Request) -> web.Response:
        registry = http_server.path_id(request)
        return http_server.reply(await self._service.rescan(principal(request), registry), 202)

    async def latest_rescan(self, request: web.Request) -> web.Response:
        registry = http_server.path_id(request)
        return http_server.reply(await self._service.latest_rescan(principal(request), registry))

    async def cancel_rescan(self, request: web.Request) -> web.Response:
        registry = http_server.path_id(request)
        return http_server.reply(await self._service.cancel_rescan(principal(request), registry))
