"""The client API: the files of one tree, for whoever holds a token. Bodies are streams, bounded in memory, not in size."""

import re
from collections.abc import AsyncIterator

import msgspec
from aiohttp import web

from quarterdeck.infra import http_server
from quarterdeck.infra.errors import UnsupportedMediaType
from quarterdeck.storage_proxy import errors, model
from quarterdeck.storage_proxy.http import downloads
from quarterdeck.storage_proxy.http.gate import Gate
from quarterdeck.storage_proxy.model import TreePath
from quarterdeck.storage_proxy.service import StorageService
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.folders import FileEntry, Right
from quarterdeck.wire.items import Items

_FILES = "/client/v1/files"

_SHA256 = re.compile(r"[0-9a-fA-F]{64}\Z")


class ListingQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which files to list: below `path` (none: the tree's root), with `recursive` at any depth. `model` judges the path."""

    path: str = ""
    recursive: bool = False


class ClientApi:
    """Handlers for holders of a token."""

    def __init__(self, storage: StorageService, gate: Gate) -> None:
        self._storage = storage
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses of this API."""
        file = _FILES + r"/{path:[\s\S]*}"
        return [
            http_server.route("GET", _FILES, self._list, query=ListingQuery),
            http_server.route("PUT", file, self._upload),
            http_server.route("GET", file, self._download),
            http_server.route("DELETE", file, self._delete),
        ]

    async def _list(self, request: web.Request) -> web.StreamResponse:
        tree = self._gate.admit(request, Right.READ)
        wanted = http_server.query(request, ListingQuery)
        path = model.parse(wanted.path, self._storage.limits)
        found = await self._storage.entries(tree, path, recursive=wanted.recursive)
        return http_server.reply(Items[FileEntry](found))

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        tree = self._gate.admit(request, Right.WRITE)
        if "Content-Encoding" in request.headers:
            raise UnsupportedMediaType("files are taken as they are, without Content-Encoding")
        written = await self._storage.upload(
            tree, self._path(request), _blocks(request), _announced(request)
        )
        return http_server.reply(written)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        tree = self._gate.admit(request, Right.READ)
        async with self._storage.open(tree, self._path(request)) as source:
            return await downloads.send(request, source)

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        tree = self._gate.admit(request, Right.WRITE)
        await self._storage.delete(tree, self._path(request))
        return http_server.no_content()

    def _path(self, request: web.Request) -> TreePath:
        """Return the file's path as the client sent it, before anybody has tidied it."""
        raw = request.raw_path.partition("?")[0]
        return model.decode(raw.removeprefix(_FILES + "/"), self._storage.limits)


def _announced(request: web.Request) -> str | None:
    announced = request.headers.get("X-Content-SHA256")
    if announced is not None and not _SHA256.match(announced):
        raise Invalid("X-Content-SHA256", "a SHA-256 has 64 hexadecimal digits")
    return announced


async def _blocks(request: web.Request) -> AsyncIterator[bytes]:
    """Give what the socket has, when it has it. Raises `UploadIncomplete` when the body ends early."""
    try:
        async for block in request.content.iter_any():
            yield block
    except web.RequestPayloadError as error:
        raise errors.UploadIncomplete from error
