"""Local files on their way to a folder and back: read with a checksum, written so that they appear when they are whole."""

import glob
import hashlib
import os
from pathlib import Path

from isal import isal_zlib

from quarterdeck.client import files
from quarterdeck.client.errors import FileUnusable
from quarterdeck.client.files import BLOCK_BYTES, Report, usable


def nobody(_: int) -> None:
    """Tell nobody how far a file has come."""


class Source:
    """A local file that is being sent; `size` in bytes and `crc32` of what is before the place where it stands."""

    def __init__(
        self, local: Path, report: Report = nobody, *, stretch: tuple[int, int] | None = None
    ) -> None:
        """Open the file, or a stretch of it, from one byte to before another. Raises `FileUnusable`."""
        self._local = local
        self._crc = 0
        self._at = 0
        self.report = report
        with usable(local):
            self._file = local.open("rb")
            found = os.fstat(self._file.fileno())
        self.is_part = stretch is not None
        self._start, end = stretch or (0, found.st_size)
        self._file.seek(self._start)
        self.size = end - self._start
        self.mark = _mark(found)

    @property
    def crc32(self) -> str:
        """The checksum in hexadecimal."""
        return f"{self._crc:08x}"

    def read(self, size: int = BLOCK_BYTES) -> bytes:
        """Return the next block; nothing at the end. Raises `FileUnusable`."""
        with usable(self._local):
            block = self._file.read(size)
        if len(block) < min(size, self.size - self._at):
            raise FileUnusable(f"{self._local} became shorter while it was read")
        block = block[: self.size - self._at]
        self._at += len(block)
        self._crc = isal_zlib.crc32(block, self._crc)
        return block

    def require_unchanged(self) -> None:
        """Raise `FileUnusable` if somebody has written into the file since it was opened."""
        with usable(self._local):
            found = os.fstat(self._file.fileno())
        if _mark(found) != self.mark:
            raise FileUnusable(f"{self._local} changed while it was sent; try again")

    def stand_at(self, offset: int) -> None:
        """Go on from there. Raises `FileUnusable`."""
        if offset > self.size:
            raise FileUnusable(f"{self._local} has less than is there already")
        if offset == self._at:
            return
        if offset < self._at:
            self._file.seek(self._start)
            self._at, self._crc = 0, 0
        while self._at < offset:
            self.read(min(BLOCK_BYTES, offset - self._at))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _mark(found: os.stat_result) -> str:
    return f"{found.st_dev:x}-{found.st_ino:x}-{found.st_mtime_ns:x}"


class Sink:
    """A local file that is being written; it appears under its name when `finish` is called, and not before.

    With a version, what was written of that before is gone on with.
    """

    def __init__(self, local: Path, *, version: str = "", report: Report = nobody) -> None:
        """Begin. Raises `FileUnusable`."""
        self._local = local
        self._report = report
        mark = f".{hashlib.sha256(version.encode()).hexdigest()[:12]}" if version else ""
        self._partial = local.with_name(f".{local.name}{mark}.part")
        with usable(local):
            if local.exists() and not local.is_file():  # a device, or what leads to a terminal
                raise FileUnusable(f"{local} is there and is no file")
            local.parent.mkdir(parents=True, exist_ok=True)
            self._forget_others()
            self._file = self._partial.open("ab" if version else "wb")
            self.size = os.fstat(self._file.fileno()).st_size

    def write(self, block: bytes) -> None:
        """Append. Raises `FileUnusable`."""
        with usable(self._local):
            self.size += self._file.write(block)
        self._report(self.size)

    def crc32(self) -> str:
        """Return the CRC-32 of what was written, in hexadecimal. Raises `FileUnusable`."""
        with usable(self._local):
            self._file.flush()
        return files.crc32(self._partial)

    def finish(self) -> None:
        """Give the file its name. Raises `FileUnusable`."""
        with usable(self._local):
            self._file.close()
            self._partial.replace(self._local)

    def _forget_others(self) -> None:
        """Remove what was written of other versions."""
        for other in self._partial.parent.glob(f".{glob.escape(self._local.name)}.*.part"):
            if other != self._partial:
                other.unlink(missing_ok=True)

    def close(self) -> None:
        """Leave what was written for another attempt."""
        self._file.close()

    def forget(self) -> None:
        """Leave nothing behind, unless it is finished."""
        self._file.close()
        self._partial.unlink(missing_ok=True)
