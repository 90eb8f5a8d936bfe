"""Directories as one stream, tar or zip: memory is bounded by a block, whatever their size. Links and devices are left out."""

import io
import tarfile
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import IO, Any, cast

from quarterdeck.storage_proxy import errors, ports
from quarterdeck.storage_proxy.model import Span, TreePath
from quarterdeck.wire.folders import FileEntry, FileKind
from quarterdeck.wire.transfers import ArchiveFormat

Opener = Callable[[TreePath], AbstractAsyncContextManager[ports.Source]]

_GATHERED_BYTES = 256 * 1024
_RECORD_BYTES = 512
_TAR_END_BYTES = 1024
_ZIP64_BYTES = 1 << 31
_ZIP_DATES = datetime(1980, 1, 1, tzinfo=UTC), datetime(2107, 12, 31, 23, 59, 58, tzinfo=UTC)
"""The first and the last that a zip archive has a form for."""

_DIRECTORY_MODE, _FILE_MODE = 0o755, 0o644


def stream(
    form: ArchiveFormat, base: TreePath, entries: Sequence[FileEntry], opener: Opener
) -> AsyncIterator[bytes]:
    """Give an archive of what is below `base`, under names from there. A file that has gone meanwhile is left out.

    Raises `StorageUnavailable` if a file becomes shorter while it is read: the archive is of no use then.
    """
    archive = _Tar() if form == ArchiveFormat.TAR else _Zip()
    return _stream(archive, base, entries, opener)


async def _stream(
    archive: "_Tar | _Zip", base: TreePath, entries: Sequence[FileEntry], opener: Opener
) -> AsyncIterator[bytes]:
    for entry in entries:
        path = tuple(entry.path.split("/"))
        name = "/".join(path[len(base) :]) or path[-1]
        if entry.kind == FileKind.DIRECTORY:
            archive.directory(name, entry)
        elif entry.kind == FileKind.FILE:
            async for gathered in _file(archive, name, path, opener):
                yield gathered
        if archive.gathered >= _GATHERED_BYTES:
            yield archive.take()
    archive.end()
    yield archive.take()


async def _file(
    archive: "_Tar | _Zip", name: str, path: TreePath, opener: Opener
) -> AsyncIterator[bytes]:
    try:
        async with opener(path) as source:
            async for gathered in _content(archive, name, source):
                yield gathered
    except (errors.FileNotFound, errors.IsDirectory, errors.NotDirectory):
        return


async def _content(
    archive: "_Tar | _Zip", name: str, source: ports.Source
) -> AsyncIterator[bytes]:
    left = source.entry.size
    archive.begin(name, source.entry)
    async for block in source.blocks(Span(0, left)):
        archive.write(block)
        left -= len(block)
        if archive.gathered >= _GATHERED_BYTES:
            yield archive.take()
    if left:
        raise errors.StorageUnavailable(f"{name} became shorter while it was read")
    archive.finish()


class _Gathering:
    """Bytes on their way out."""

    def __init__(self) -> None:
        self._out = bytearray()

    @property
    def gathered(self) -> int:
        """How many bytes wait."""
        return len(self._out)

    def take(self) -> bytes:
        """Return what waits."""
        taken = bytes(self._out)
        self._out.clear()
        return taken

    def write(self, block: bytes) -> int:
        """Add bytes as they are."""
        self._out += block
        return len(block)


class _Tar(_Gathering):
    """A tar archive in the POSIX format: any length of name, any size."""

    def __init__(self) -> None:
        super().__init__()
        self._size = 0

    def directory(self, name: str, entry: FileEntry) -> None:
        """Add a directory."""
        info = tarfile.TarInfo(name)
        info.type, info.mode = tarfile.DIRTYPE, _DIRECTORY_MODE
        self._add(info, entry)

    def begin(self, name: str, entry: FileEntry) -> None:
        """Add a file, whose content follows."""
        info = tarfile.TarInfo(name)
        info.size, info.mode = entry.size, _FILE_MODE
        self._size = entry.size
        self._add(info, entry)

    def finish(self) -> None:
        """End a file."""
        self.write(bytes(-self._size % _RECORD_BYTES))

    def end(self) -> None:
        """End the archive."""
        self.write(bytes(_TAR_END_BYTES))

    def _add(self, info: tarfile.TarInfo, entry: FileEntry) -> None:
        info.mtime = int(entry.modified_at.timestamp())
        self.write(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))


class _Zip:
    """A zip archive, not compressed, each file's checksum after its content."""

    def __init__(self) -> None:
        self._gathering = _Gathering()
        self._zip = _ZipFile(cast(IO[bytes], _Unseekable(self._gathering)), "w")
        self._member: IO[bytes] | None = None
        self.take = self._gathering.take

    @property
    def gathered(self) -> int:
        """How many bytes wait."""
        return self._gathering.gathered

    def directory(self, name: str, entry: FileEntry) -> None:
        """Add a directory."""
        info = _info(f"{name}/", entry)
        info.external_attr = (0o40000 | _DIRECTORY_MODE) << 16 | 0x10
        self._zip.writestr(info, b"")

    def begin(self, name: str, entry: FileEntry) -> None:
        """Add a file, whose content follows."""
        info = _info(name, entry)
        info.external_attr = (0o100000 | _FILE_MODE) << 16
        self._member = self._zip.open(info, "w", force_zip64=entry.size >= _ZIP64_BYTES)

    def write(self, block: bytes) -> None:
        """Add content of the file."""
        if self._member is not None:
            self._member.write(block)

    def finish(self) -> None:
        """End a file."""
        if self._member is not None:
            self._member.close()

    def end(self) -> None:
        """End the archive."""
        self._zip.close()


class _ZipFile(zipfile.ZipFile):
    """A zip archive that ends when it is told to."""

    def __del__(self) -> None:
        """Write nothing: what was broken off has no end."""


class _Unseekable(io.RawIOBase):
    """A file that can only be written."""

    def __init__(self, gathering: _Gathering) -> None:
        super().__init__()
        self._gathering = gathering

    def writable(self) -> bool:
        return True

    def write(self, block: Any, /) -> int:
        return self._gathering.write(bytes(block))


def _info(name: str, entry: FileEntry) -> zipfile.ZipInfo:
    first, last = _ZIP_DATES
    at = min(max(entry.modified_at, first), last)
    return zipfile.ZipInfo(name, at.timetuple()[:6])
