"""The file by which a component's time of day is shifted: `shakeout.faults.clock` writes it, the component reads it.

A component that declares `clock=True` is given the file's path in SHAKEOUT_CLOCK. It holds five doubles in the machine's byte
order: offset (seconds), rate, since (seconds since 1970); then what the component notes at each reading of its clock: the
machine's time and the time that it made of it,

    told = real + offset + (real - since) * (rate - 1)
"""

import mmap
import os
import struct
import time
from pathlib import Path
from typing import NamedTuple

VARIABLE = "SHAKEOUT_CLOCK"
NAME = "clock"

_SHIFT = struct.Struct("=3d")
_READING = struct.Struct("=2d")


class Shift(NamedTuple):
    """How a clock deviates."""

    offset: float = 0.0
    rate: float = 1.0
    since: float = 0.0
    """Seconds since 1970: from then on the rate counts."""

    def of(self, real: float) -> float:
        """The time that a clock tells at a machine's time. Pure."""
        return real + self.offset + (real - self.since) * (self.rate - 1)


class Reading(NamedTuple):
    """What a component last made of the machine's time; zeros when it has not read its clock yet."""

    real: float
    told: float


def make(path: Path) -> None:
    """Make the file of a clock that is right, unless there is one."""
    if not path.exists():
        path.write_bytes(_SHIFT.pack(*Shift()) + _READING.pack(0.0, 0.0))


def write(path: Path, shift: Shift) -> None:
    """Shift the clock from now on."""
    with path.open("r+b") as file:
        file.write(_SHIFT.pack(*shift))


def read(path: Path) -> Reading:
    """What the component last told."""
    return Reading(*_READING.unpack_from(path.read_bytes(), _SHIFT.size))


class ShiftedTime:
    """For components in Python: the time of day by such a file, as a function."""

    def __init__(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._map = mmap.mmap(descriptor, _SHIFT.size + _READING.size)
        finally:
            os.close(descriptor)

    def __call__(self) -> float:
        """Seconds since 1970."""
        real = time.time()  # noqa: TID251 - this is a clock
        told = Shift(*_SHIFT.unpack_from(self._map)).of(real)
        _READING.pack_into(self._map, _SHIFT.size, real, told)
        return told
