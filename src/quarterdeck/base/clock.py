"""Time as a parameter: the `Clock` port, the system's clock, and one that a test harness shifts while the process runs.

Tests in the same process pass a clock of their own.
"""

import mmap
import os
import struct
import time
from datetime import UTC, datetime
from typing import Protocol

_SHIFT = struct.Struct("=3d")
_READING = struct.Struct("=2d")


class Clock(Protocol):
    """Where a component reads the time."""

    def now(self) -> datetime:
        """Return the time of day, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start; never goes back."""
        ...


def pause(seconds: float) -> None:
    """Let time pass between two attempts of something that cannot be waited for; for blocking programs only."""
    time.sleep(seconds)


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the time of day, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start; never goes back."""
        return time.monotonic()


class ShiftedClock(SystemClock):
    """A clock whose time of day is shifted by a file: five doubles, of which a harness writes three and this the others.

    offset (seconds), rate, since (seconds since 1970), the machine's time at the last reading, and what was made of it.
    """

    def __init__(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._file = mmap.mmap(descriptor, _SHIFT.size + _READING.size)
        finally:
            os.close(descriptor)

    def now(self) -> datetime:
        """Return the time of day as the file has it, aware, in UTC."""
        real = time.time()
        offset, rate, since = _SHIFT.unpack_from(self._file)
        told = real + offset + (real - since) * (rate - 1)
        _READING.pack_into(self._file, _SHIFT.size, real, told)
        return datetime.fromtimestamp(told, UTC)


def opened(shift: str) -> Clock:
    """Return the system's clock, or one that is shifted by the file `shift`. Raises OSError."""
    return ShiftedClock(shift) if shift else SystemClock()
