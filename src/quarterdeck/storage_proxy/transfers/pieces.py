"""Uploads in pieces: what the tus protocol does, without its headers. A piece counts when it is durable, a file when it is whole."""

import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import msgspec

from quarterdeck.base.clock import Clock
from quarterdeck.storage_proxy import errors, ports
from quarterdeck.storage_proxy.model import Limits, Upload
from quarterdeck.storage_proxy.transfers import checksums, uploads
from quarterdeck.storage_proxy.transfers.checksums import Checksum, Digest
from quarterdeck.wire.folders import FileEntry

KEPT_BYTES = 16 * 1024 * 1024
"""After so many bytes a piece without a checksum is kept as far as it has come: a crash takes no more."""

WHOLE = {"sha256": "X-Content-SHA256", "crc32": "X-Content-CRC32"}
"""Where the checksum of a whole is told."""

_RUNNING_MAX = 256


@dataclass(frozen=True)
class Piece:
    """A piece as it arrives: where it begins, what its checksum is, and what the whole must be if it is the last one."""

    offset: int
    blocks: AsyncIterator[ports.Block]
    checksum: Checksum | None = None
    whole: Checksum | None = None


@dataclass(frozen=True)
class Taken:
    """What has become of an upload; `entry` is the file once it is there."""

    upload: Upload
    offset: int
    entry: FileEntry | None = None


class Pieces:
    """Use cases on the uploads of one volume at a time. Remembers checksums that it has begun; nothing depends on that."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._running: OrderedDict[str, tuple[str, Digest | None]] = OrderedDict()

    async def begin(
        self, there: ports.Uploads, tree: str, upload: Upload, *, parts: int = 0
    ) -> None:
        """Begin an upload, perhaps one of parts; an empty file is there at once. Raises `FileTooLarge`, `TooManyUploads` and others."""
        if upload.size > self._limits.file_bytes_max:
            raise errors.FileTooLarge(
                f"a file has at most {self._limits.file_bytes_max} bytes", field="Upload-Length"
            )
        empty = upload.size == 0 and not upload.part
        if empty and upload.promised is not None and not upload.promised[1]:
            upload = msgspec.structs.replace(upload, sha256=None, crc32=None)
        await there.begin(tree, upload, parts=parts)
        if empty:
            async with there.writer(tree, upload.id) as writer:
                await _finish(writer, None, None)

    async def find(self, there: ports.Uploads, tree: str, id_: str) -> Taken:
        """Tell how far an upload has come. Raises `UploadNotFound`, `UploadExpired`."""
        upload, offset = await there.find(tree, id_)
        self._require_time(upload, offset)
        return Taken(upload, offset)

    async def append(self, there: ports.Uploads, tree: str, id_: str, piece: Piece) -> Taken:
        """Take in the next piece; with the last one the file is at its path.

        Raises `OffsetDiffers`, `UploadBusy`, `PieceDamaged`, `ChecksumMismatch`, `FileTooLarge`, `StorageFull` and others. What was received
        of a piece that broke off counts, unless it has a checksum that nobody can compare any more.
        """
        async with there.writer(tree, id_) as writer:
            self._require_time(writer.upload, writer.offset)
            if piece.offset != writer.offset:
                raise errors.OffsetDiffers(writer.offset)
            if writer.finished:
                return Taken(writer.upload, writer.offset)
            progress = await self._progress(writer)
            try:
                await _receive(writer, piece, progress)
            except BaseException as error:
                await _break_off(writer, piece, progress, error)
                raise
            if progress.received < writer.upload.size or writer.upload.part:
                await _require_no_whole(writer, piece)
                await writer.keep()
                self._remember(writer, progress)
                return Taken(writer.upload, writer.offset)
            return await _finish(writer, piece.whole, progress.whole)

    async def join(
        self, there: ports.Uploads, tree: str, upload: Upload, parts: Sequence[str]
    ) -> Taken:
        """Make a file of parts; they are gone then. Raises `UploadRefused` if one is not whole, `UploadNotFound`, `ChecksumMismatch`."""
        if not 0 < len(parts) <= self._limits.parts_max or len(set(parts)) < len(parts):
            raise errors.UploadRefused(
                f"a file has 1 to {self._limits.parts_max} parts", field="Upload-Concat"
            )
        async with AsyncExitStack() as stack:
            writers = [await stack.enter_async_context(there.writer(tree, id_)) for id_ in parts]
            for writer in writers:
                self._require_part(writer)
            size = sum(writer.upload.size for writer in writers)
            whole = msgspec.structs.replace(upload, size=size)
            await self.begin(there, tree, whole, parts=len(parts))
            taken = await self.find(there, tree, whole.id)
            if size > 0:
                taken = await _joined(there, tree, whole.id, writers)
            for writer in writers:
                await writer.discard()
        return taken

    async def abandon(self, there: ports.Uploads, tree: str, id_: str) -> None:
        """Forget an upload with all that was received of it. Raises `UploadNotFound`, `UploadBusy`."""
        async with there.writer(tree, id_) as writer:
            await writer.discard()

    async def _progress(self, writer: ports.Writer) -> "_Progress":
        """Return where a piece begins, with the checksum of what comes before it if anybody will want to know."""
        mark, known = self._running.pop(writer.upload.id, ("", None))
        if (promised := writer.upload.promised) is None:
            return _Progress(writer.offset)
        if known is None or mark != writer.mark:
            known = await _digest(writer, writer.offset, promised[0])
        return _Progress(writer.offset, known)

    def _remember(self, writer: ports.Writer, progress: "_Progress") -> None:
        if progress.whole is not None:
            self._running[writer.upload.id] = (writer.mark, progress.whole)
            while len(self._running) > _RUNNING_MAX:
                self._running.popitem(last=False)

    def _require_time(self, upload: Upload, offset: int) -> None:
        if offset < upload.size and self._clock.now().timestamp() >= upload.expires_at:
            raise errors.UploadExpired

    def _require_part(self, writer: ports.Writer) -> None:
        self._require_time(writer.upload, writer.offset)
        if not writer.upload.part or writer.offset != writer.upload.size:
            raise errors.UploadRefused(
                "only parts that are whole can be joined", field="Upload-Concat"
            )


@dataclass
class _Progress:
    """How far an upload has come, and the checksum of so much."""

    received: int
    whole: Digest | None = None


async def _receive(writer: ports.Writer, piece: Piece, progress: _Progress) -> None:
    digest = checksums.begun(piece.checksum.algorithm) if piece.checksum else None
    digests = [each for each in (digest, progress.whole) if each is not None]
    async with contextlib.aclosing(uploads.hashed(piece.blocks, *digests)) as blocks:
        async for block in blocks:
            if progress.received + len(block) > writer.upload.size:
                raise errors.FileTooLarge(
                    f"the upload has {writer.upload.size} bytes", field="Upload-Length"
                )
            await writer.write(block)
            progress.received += len(block)
            if digest is None and progress.received - writer.offset >= KEPT_BYTES:
                await _keep(writer, progress)
    if digest is not None and piece.checksum is not None:
        _compare(digest, piece.checksum)


def _compare(received: Digest, announced: Checksum) -> None:
    try:
        checksums.compare(received, announced)
    except errors.ChecksumMismatch as error:
        raise errors.PieceDamaged(field=announced.field) from error


async def _keep(writer: ports.Writer, progress: _Progress) -> None:
    """Keep what was received; not the end of a file, which counts when it is at its path."""
    if progress.received < writer.upload.size or writer.upload.part:
        await writer.keep()


async def _require_no_whole(writer: ports.Writer, piece: Piece) -> None:
    """Refuse a piece, not the last, that tells a checksum of the whole: who sends it means something else."""
    if piece.whole is not None:
        await writer.drop()
        raise errors.UploadRefused(
            "the checksum of the whole comes with its last piece", field=piece.whole.field
        )


async def _break_off(
    writer: ports.Writer, piece: Piece, progress: _Progress, error: BaseException
) -> None:
    refused = isinstance(error, errors.StorageError)
    if piece.checksum or (refused and not isinstance(error, errors.UploadIncomplete)):
        await writer.drop()
    else:
        await _keep(writer, progress)


async def _finish(writer: ports.Writer, announced: Checksum | None, known: Digest | None) -> Taken:
    """Put the file at its path if it is what was announced, at the beginning and with the last piece."""
    algorithm, promised = writer.upload.promised or ("", "")
    told = [] if announced is None else [announced]
    if promised:
        told.append(Checksum(algorithm, bytes.fromhex(promised), WHOLE[algorithm]))
    elif algorithm and not told:
        await writer.drop()
        raise errors.UploadRefused(
            f"the {algorithm} was to follow with the last piece", field=WHOLE[algorithm]
        )
    try:
        for each in told:
            if known is None or each.algorithm != algorithm:
                found = await _digest(writer, writer.upload.size, each.algorithm)
            else:
                found = known
            checksums.compare(found, each)
        entry = await writer.finish()
    except errors.ChecksumMismatch:
        await writer.discard()
        raise
    except errors.StorageError:
        await writer.drop()
        raise
    return Taken(writer.upload, writer.offset, entry)


async def _joined(
    there: ports.Uploads, tree: str, whole: str, parts: Sequence[ports.Writer]
) -> Taken:
    async with there.writer(tree, whole) as writer:
        try:
            await writer.join(parts)
            return await _finish(writer, None, None)
        except BaseException:
            await writer.discard()
            raise


async def _digest(writer: ports.Writer, length: int, algorithm: str) -> Digest:
    digest = checksums.begun(algorithm)
    async for _ in uploads.hashed(writer.content(length), digest):
        pass
    return digest
