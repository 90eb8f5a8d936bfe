"""Uploads in pieces on the client API, by the tus protocol: `tus` has its headers, `transfers.pieces` what they do.

The metadata of an upload has `path` (or `filename`), and may have `sha256` or `crc32` of the whole (empty: it follows as
X-Content-SHA256 or X-Content-CRC32 with the last piece) and `source`, by which a client knows its own file again in the list of uploads.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from aiohttp import web

from quarterdeck.base import ids
from quarterdeck.base.clock import Clock
from quarterdeck.infra import http_server
from quarterdeck.infra.errors import UnsupportedMediaType
from quarterdeck.storage_proxy import errors, model
from quarterdeck.storage_proxy.http import bodies, tus
from quarterdeck.storage_proxy.http.gate import Caller, Gate
from quarterdeck.storage_proxy.model import Upload
from quarterdeck.storage_proxy.service import StorageService
from quarterdeck.storage_proxy.transfers import checksums
from quarterdeck.storage_proxy.transfers.pieces import WHOLE, Piece, Pieces, Taken
from quarterdeck.storage_proxy.transfers.slots import Slots
from quarterdeck.wire import decode, problem
from quarterdeck.wire.folders import Right
from quarterdeck.wire.items import Items
from quarterdeck.wire.transfers import UploadView

UPLOAD_SECONDS = 24 * 3600
"""How long an upload can be gone on with."""

JOINT_SECONDS = 600
"""How long what a joint upload leaves can stay when its storage-proxy dies."""

_SOURCE_CHARACTERS_MAX = 256
_OVERRIDE = "X-HTTP-Method-Override"


class UploadsApi:
    """Handlers for uploads in pieces."""

    def __init__(self, storage: StorageService, gate: Gate, slots: Slots, clock: Clock) -> None:
        self._storage = storage
        self._gate = gate
        self._slots = slots
        self._clock = clock
        self._pieces = Pieces(clock, storage.limits)

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses of this API."""
        one = tus.UPLOADS + "/{upload}"
        return [
            http_server.route("OPTIONS", tus.UPLOADS, self._options),
            http_server.route("GET", tus.UPLOADS, self._list),
            http_server.route("POST", tus.UPLOADS, self._create),
            http_server.route("OPTIONS", one, self._options),
            http_server.route("HEAD", one, self._head),
            http_server.route("PATCH", one, self._append),
            http_server.route("DELETE", one, self._abandon),
            http_server.route("POST", one, self._overridden),
        ]

    async def _options(self, _: web.Request) -> web.Response:
        headers = tus.capabilities(self._storage.limits.file_bytes_max)
        return web.Response(status=204, headers=headers)

    async def _list(self, request: web.Request) -> web.Response:
        caller = self._gate.caller(request, Right.WRITE)
        found = await self._storage.uploads(caller.tree).under_way(caller.tree.id)
        now = self._clock.now().timestamp()
        views = [_view(upload, offset) for upload, offset in found if upload.expires_at > now]
        return http_server.reply(Items[UploadView](views))

    async def _create(self, request: web.Request) -> web.Response:
        tus.require_version(request)
        caller = self._gate.caller(request, Right.WRITE)
        there = self._storage.uploads(caller.tree)
        if (parts := tus.parts(request)) is not None:
            joint = self._upload(request, 0, JOINT_SECONDS)
            if (told := bodies.announced(request.headers)) is not None:
                raise errors.UploadRefused(
                    "the checksum of parts together is in Upload-Metadata", field=told.field
                )
            wanted = [_id(part) for part in parts]
            async with self._slots.turn(caller.who):
                taken = await self._pieces.join(there, caller.tree.id, joint, wanted)
            return _created(taken)
        upload = self._upload(request, tus.number(request, "Upload-Length"), UPLOAD_SECONDS)
        await self._pieces.begin(there, caller.tree.id, upload)
        taken = Taken(upload, 0)
        if request.content_type == tus.CONTENT_TYPE and request.can_read_body:
            taken = await self._receive(request, caller, upload.id, 0)
        return _created(taken)

    async def _head(self, request: web.Request) -> web.Response:
        tus.require_version(request)
        caller = self._gate.caller(request, Right.WRITE)
        there = self._storage.uploads(caller.tree)
        found = await self._pieces.find(there, caller.tree.id, _named(request))
        return web.Response(headers=tus.described(found.upload, found.offset))

    async def _append(self, request: web.Request) -> web.Response:
        tus.require_version(request)
        caller = self._gate.caller(request, Right.WRITE)
        if request.content_type != tus.CONTENT_TYPE or "Content-Encoding" in request.headers:
            raise UnsupportedMediaType(f"a piece is {tus.CONTENT_TYPE}, as it is")
        offset = tus.number(request, "Upload-Offset")
        try:
            taken = await self._receive(request, caller, _named(request), offset)
        except errors.OffsetDiffers as error:
            return _elsewhere(error)
        headers = {"Upload-Offset": str(taken.offset), **tus.expires(taken.upload)}
        return web.Response(status=204, headers=headers)

    async def _abandon(self, request: web.Request) -> web.Response:
        tus.require_version(request)
        caller = self._gate.caller(request, Right.WRITE)
        there = self._storage.uploads(caller.tree)
        await self._pieces.abandon(there, caller.tree.id, _named(request))
        return http_server.no_content()

    async def _overridden(self, request: web.Request) -> web.Response:
        """Take a POST for what it says it is: some clients can send nothing else."""
        handlers = {"PATCH": self._append, "DELETE": self._abandon, "HEAD": self._head}
        handler = handlers.get(request.headers.get(_OVERRIDE, "").upper())
        if handler is None:
            raise web.HTTPMethodNotAllowed("POST", ["HEAD", "PATCH", "DELETE", "OPTIONS"])
        return await handler(request)

    async def _receive(
        self, request: web.Request, caller: Caller, upload: str, offset: int
    ) -> Taken:
        checksum = tus.checksum(request)
        whole = bodies.announced(request.headers)
        with self._slots.taken(caller.who):
            there = self._storage.uploads(caller.tree)
            async with bodies.received(request) as blocks:
                piece = Piece(offset, blocks, checksum, whole)
                return await self._pieces.append(there, caller.tree.id, upload, piece)

    def _upload(self, request: web.Request, size: int, seconds: int) -> Upload:
        given = tus.metadata(request)
        part = tus.parts(request) is None and tus.is_part(request)
        path = "" if part else given.get("path", given.get("filename", ""))
        if not part and not path:
            raise errors.UploadRefused(
                "Upload-Metadata has the file's `path`", field="Upload-Metadata"
            )
        return Upload(
            id=ids.new(self._clock),
            path=model.parse(path, self._storage.limits),
            size=size,
            expires_at=self._clock.now().timestamp() + seconds,
            **_wholes(given),
            source=given.get("source", "")[:_SOURCE_CHARACTERS_MAX],
            metadata=request.headers.get("Upload-Metadata", ""),
        )


def _wholes(given: Mapping[str, str]) -> dict[str, str]:
    """Return the checksum of the whole by its algorithm, if it was given or promised."""
    told = {algorithm: given[algorithm] for algorithm in WHOLE if algorithm in given}
    if len(told) > 1:
        raise errors.UploadRefused(f"give one of {', '.join(told)}", field="Upload-Metadata")
    for algorithm, digits in told.items():
        if digits and not checksums.is_digest(algorithm, digits):
            raise errors.UploadRefused(
                f"a {algorithm} has {2 * checksums.BYTES[algorithm]} hexadecimal digits, or follows",
                field="Upload-Metadata",
            )
    return told


def _named(request: web.Request) -> str:
    return _id(request.match_info["upload"])


def _id(text: str) -> str:
    if not ids.is_id(text):
        raise errors.UploadNotFound
    return text


def _created(taken: Taken) -> web.Response:
    headers = {
        "Location": f"{tus.UPLOADS}/{taken.upload.id}",
        "Upload-Offset": str(taken.offset),
        **tus.expires(taken.upload),
    }
    return web.Response(status=201, headers=headers)


def _elsewhere(error: errors.OffsetDiffers) -> web.Response:
    found = problem.make(error.code, error.detail, field=error.field)
    headers = {"Content-Type": problem.CONTENT_TYPE, "Upload-Offset": str(error.offset)}
    return web.Response(status=found.status, body=decode.encode(found), headers=headers)


def _view(upload: Upload, offset: int) -> UploadView:
    return UploadView(
        id=upload.id,
        path=model.render(upload.path),
        size=upload.size,
        offset=offset,
        expires_at=datetime.fromtimestamp(upload.expires_at, UTC),
        source=upload.source,
    )
