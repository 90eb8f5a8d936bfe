"""The addresses of images: everybody may list them. Works with the port `Images`."""

from collections.abc import Sequence

from aiohttp import web

from quarterdeck.infra import http_server
from quarterdeck.manager.images import ports
from quarterdeck.wire import items


def routes(images: ports.Images) -> Sequence[web.RouteDef]:
    """Return the addresses of images."""

    async def list_(_: web.Request) -> web.Response:
        return http_server.reply(items.Items(list(await images.list())))

    return [http_server.route("GET", "/v1/images", list_)]
