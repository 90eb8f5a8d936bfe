"""What a command writes, on disk as well as in memory: its log outlives the agent that reads it. Bounded, and never flushed."""

import logging
import os
from pathlib import Path

from quarterdeck.agent.kernels.capture import TAIL_BYTES_MAX

_log = logging.getLogger(__name__)


class Journal:
    """A file that grows to twice what is remembered and is then shortened. `earlier` is what it held when it was opened."""

    def __init__(self, path: Path, bytes_max: int = TAIL_BYTES_MAX) -> None:
        """Open or make the file. Raises OSError."""
        self._path = path
        self._bytes_max = bytes_max
        self.earlier = read(path, bytes_max)
        self._descriptor = _open(path)
        self._size = path.stat().st_size

    def add(self, piece: bytes) -> None:
        """Append a piece. What cannot be written is missing in the agent's next life, not in this one."""
        try:
            os.write(self._descriptor, piece)
            self._size += len(piece)
            if self._size > 2 * self._bytes_max:
                self._shorten()
        except OSError as error:
            extra = {"journal": self._path.name, "error": str(error)}
            _log.warning("journal-not-written", extra=extra)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _shorten(self) -> None:
        kept = read(self._path, self._bytes_max)
        new = self._path.with_suffix(".new")
        new.write_bytes(kept)
        new.replace(self._path)
        os.close(self._descriptor)
        self._descriptor = _open(self._path)
        self._size = len(kept)


def read(path: Path, bytes_max: int = TAIL_BYTES_MAX) -> bytes:
    """Return the newest part of a journal; nothing if it is not there. Raises OSError."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - bytes_max))
            return file.read()
    except FileNotFoundError:
        return b""


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
