"""The agent's addresses of images, for managers: have one pulled, see how far it is."""

from collections.abc import Sequence

import msgspec
from aiohttp import web

from quarterdeck.agent.images.store import ImageStore
from quarterdeck.infra import http_server
from quarterdeck.wire import decode, items, oci
from quarterdeck.wire.agents import ImagePull


def routes(store: ImageStore) -> Sequence[web.RouteDef]:
    """Return the addresses."""
    api = _Api(store)
    return [
        http_server.route("GET", "/v1/images", api.list),
        http_server.route("PUT", "/v1/images/{digest}", api.pull),
        http_server.route("GET", "/v1/images/{digest}", api.show),
    ]


class _Path(msgspec.Struct, frozen=True):
    digest: oci.Digest


class _Api:
    def __init__(self, store: ImageStore) -> None:
        self._store = store

    async def list(self, _: web.Request) -> web.Response:
        return http_server.reply(items.Items(list(self._store.list())))

    async def pull(self, request: web.Request) -> web.Response:
        digest = _digest(request)
        source = await http_server.body(request, ImagePull)
        return http_server.reply(self._store.pull(digest, source))

    async def show(self, request: web.Request) -> web.Response:
        return http_server.reply(self._store.show(_digest(request)))


def _digest(request: web.Request) -> str:
    """Return the digest in the path. Raises `Invalid` naming it."""
    return decode.decode_query(_Path, [("digest", request.match_info["digest"])]).digest
