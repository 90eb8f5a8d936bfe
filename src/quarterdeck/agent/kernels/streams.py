"""Standard streams of the user's process: unbuffered, so that what Python, C code and child processes write keeps its order.

`Streams` also heals descriptors 0, 1 and 2 that earlier code has closed. Used by `runner`.
"""

import ctypes
import io
import os
import sys
from collections.abc import Callable
from fcntl import F_DUPFD_CLOEXEC, fcntl
from typing import Any

_IONBF = 2


class Descriptor(io.FileIO):
    """An unbuffered binary file on a descriptor, whose writes are always whole."""

    def write(self, data: Any, /) -> int:
        """Write all of the data."""
        left = memoryview(data).cast("B")
        size = len(left)
        while left:
            left = left[super().write(left) or 0 :]
        return size


def writer(descriptor: int) -> io.TextIOWrapper:
    """Return a text stream whose writes are on the descriptor at once."""
    raw = Descriptor(descriptor, "w", closefd=False)
    return io.TextIOWrapper(
        raw,
        encoding="utf-8",
        errors="backslashreplace",
        write_through=True,
    )


class Input(io.TextIOBase):
    """The text of stdin: what `asks`, if there is somebody to ask, gives for one line after the other; else it is empty.

    Descriptor 0 itself is always empty.
    """

    encoding = "utf-8"

    def __init__(self) -> None:
        self.asks: Callable[[], str | None] | None = None
        self._buffer = ""

    def forget(self) -> None:
        """Forget what was not read of the lines that came."""
        self._buffer = ""

    def fileno(self) -> int:
        """Return the descriptor of stdin."""
        return 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]  # the base says less than io's other streams
        """Return a line with its end; nothing at the end of the input."""
        if self.closed:
            raise ValueError("I/O operation on closed file")
        if not self._buffer:
            text = self.asks() if self.asks is not None else None
            self._buffer = "" if text is None else f"{text}\n"
        end = self._buffer.find("\n") + 1
        if size is not None and 0 <= size < end:
            end = size
        line, self._buffer = self._buffer[:end], self._buffer[end:]
        return line

    def read(self, size: int | None = -1, /) -> str:
        """Return everything until the end of the input, or up to so many characters."""
        if size is not None and size >= 0:
            return self.readline(size)
        return "".join(iter(self.readline, ""))


def unbuffer_c_streams() -> None:
    """Make C's stdout and stderr write at once."""
    libc = ctypes.CDLL(None)
    for name in ("stdout", "stderr"):
        libc.setvbuf(ctypes.c_void_p.in_dll(libc, name), None, _IONBF, 0)


class Streams:
    """Descriptors 0 to 2 of this process, with spare copies to heal them from."""

    def __init__(self, stdout: int, stderr: int) -> None:
        """Put the descriptors in place, and keep them as spares; stdin is empty."""
        null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        self._spares = (fcntl(null, F_DUPFD_CLOEXEC, min(stdout, stderr)), stdout, stderr)
        os.close(null)
        for number, spare in enumerate(self._spares):
            os.dup2(spare, number)
        self._open_all()

    def heal(self) -> None:
        """Open again what has been closed; what was redirected on purpose stays."""
        for number, spare in enumerate(self._spares):
            if not _is_open(number):
                os.dup2(spare, number)
        if any(map(_is_closed, (sys.stdin, sys.stdout, sys.stderr))):
            self._open_all()

    def asks(self, asks: Callable[[], str | None] | None) -> None:
        """Say whom to ask for lines of input from now on."""
        self._input.forget()
        self._input.asks = asks

    def _open_all(self) -> None:
        self._input = sys.stdin = sys.__stdin__ = Input()  # type: ignore[misc,assignment]  # ours replaces the interpreter's
        sys.stdout = sys.__stdout__ = writer(1)  # type: ignore[misc]  # ours replaces the interpreter's
        sys.stderr = sys.__stderr__ = writer(2)  # type: ignore[misc]  # the same


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _is_closed(stream: object) -> bool:
    """Tell whether a stream is none, closed or detached; what the user has put in its place is the user's business."""
    if not isinstance(stream, (io.TextIOWrapper, Input)):
        return stream is None
    try:
        return stream.closed
    except ValueError:
        return True
