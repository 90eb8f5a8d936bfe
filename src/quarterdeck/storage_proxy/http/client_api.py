"""The client API: the files of one tree, for whoever holds a token. Bodies are streams, bounded in memory, not in size."""

from typing import Literal

import msgspec
from aiohttp import web

from quarterdeck.infra import http_server
from quarterdeck.infra.errors import UnsupportedMediaType
from quarterdeck.storage_proxy import model
from quarterdeck.storage_proxy.http import archives, bodies, downloads, gate
from quarterdeck.storage_proxy.http.gate import Caller, Gate
from quarterdeck.storage_proxy.model import Span, TreePath
from quarterdeck.storage_proxy.service import Announced, StorageService
from quarterdeck.storage_proxy.transfers import checksums, uploads
from quarterdeck.storage_proxy.transfers.slots import Slots
from quarterdeck.wire.folders import FileEntry, Right
from quarterdeck.wire.items import Items
from quarterdeck.wire.transfers import ArchiveFormat, FileSum, UrlGrant, UrlRequest

FILES = "/client/v1/files"


class ListingQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which files to list: below `path` (none: the tree's root), with `recursive` at any depth. `model` judges the path."""

    path: str = ""
    recursive: bool = False


class ArchiveQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which directory to send as an archive, and in what form."""

    path: str = ""
    format: ArchiveFormat = ArchiveFormat.TAR


class SumQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of which file to compute a checksum."""

    path: str
    algorithm: Literal["sha256", "crc32"] = "sha256"


class FileQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token of a URL that carries its own."""

    token: str | None = None


class ClientApi:
    """Handlers for holders of a token."""

    def __init__(self, storage: StorageService, admission: Gate, slots: Slots) -> None:
        self._storage = storage
        self._gate = admission
        self._slots = slots

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses of this API."""
        file = FILES + r"/{path:[\s\S]*}"
        return [
            http_server.route("GET", FILES, self._list, query=ListingQuery),
            http_server.route("PUT", file, self._upload, query=FileQuery),
            http_server.route("GET", file, self._download, query=FileQuery),
            http_server.route("DELETE", file, self._delete),
            http_server.route("GET", "/client/v1/archive", self._archive, query=ArchiveQuery),
            http_server.route("GET", "/client/v1/checksum", self._checksum, query=SumQuery),
            http_server.route("POST", "/client/v1/urls", self._url),
        ]

    async def _list(self, request: web.Request) -> web.StreamResponse:
        caller = self._gate.caller(request, Right.READ)
        wanted = http_server.query(request, ListingQuery)
        path = model.parse(wanted.path, self._storage.limits)
        if wanted.recursive:
            found = await self._all(caller, path)
        else:
            with self._slots.taken(caller.who):
                found = await self._storage.entries(caller.tree, path, recursive=False)
        return http_server.reply(Items[FileEntry](found))

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        path = self._path(request)
        caller = self._gate.file(request, Right.WRITE, path)
        if "Content-Encoding" in request.headers:
            raise UnsupportedMediaType("files are taken as they are, without Content-Encoding")
        uploads.require_size(request.content_length, self._storage.limits.file_bytes_max)
        with self._slots.taken(caller.who):
            announced = Announced(bodies.announced(request.headers), request.content_length)
            async with bodies.received(request) as blocks:
                written = await self._storage.upload(caller.tree, path, blocks, announced)
        return http_server.reply(written)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        path = self._path(request)
        caller = self._gate.file(request, Right.READ, path)
        with self._slots.taken(caller.who):
            async with self._storage.open(caller.tree, path) as source:
                return await downloads.send(request, source)

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        caller = self._gate.caller(request, Right.WRITE)
        path = self._path(request)
        with self._slots.taken(caller.who):
            await self._storage.delete(caller.tree, path)
        return http_server.no_content()

    async def _archive(self, request: web.Request) -> web.StreamResponse:
        caller = self._gate.caller(request, Right.READ)
        wanted = http_server.query(request, ArchiveQuery)
        path = model.parse(wanted.path, self._storage.limits)
        entries = await self._all(caller, path)
        with self._slots.taken(caller.who):
            return await archives.send(
                request,
                wanted.format,
                (path, entries),
                lambda each: self._storage.open(caller.tree, each),
            )

    async def _checksum(self, request: web.Request) -> web.StreamResponse:
        caller = self._gate.caller(request, Right.READ)
        wanted = http_server.query(request, SumQuery)
        path = model.parse(wanted.path, self._storage.limits)
        digest = checksums.begun(wanted.algorithm)
        with self._slots.taken(caller.who):
            async with self._storage.open(caller.tree, path) as source:
                whole = Span(0, source.entry.size)
                async for _ in uploads.hashed(source.blocks(whole), digest):
                    pass
                found = FileSum(
                    source.entry.size, source.etag, **{wanted.algorithm: digest.hexdigest()}
                )
        return http_server.reply(found)

    async def _url(self, request: web.Request) -> web.StreamResponse:
        """Give a URL that does one thing with one file, for a short time, to whoever shows it."""
        wanted = await http_server.body(request, UrlRequest)
        right = Right.WRITE if wanted.method == "PUT" else Right.READ
        caller = self._gate.caller(request, right)
        path = model.parse(wanted.path, self._storage.limits)
        token, until = self._gate.url_token(caller, wanted.method, path, wanted.seconds)
        target = f"{FILES}/{model.encode(path)}?{gate.PARAMETER}={token}"
        return http_server.reply(UrlGrant(target, until), 201)

    async def _all(self, caller: Caller, path: TreePath) -> list[FileEntry]:
        async with self._slots.turn(caller.who):
            return await self._storage.entries(caller.tree, path, recursive=True)

    def _path(self, request: web.Request) -> TreePath:
        """Return the file's path as the client sent it, before anybody has tidied it."""
        raw = request.raw_path.partition("?")[0]
        return model.decode(raw.removeprefix(FILES + "/"), self._storage.limits)
