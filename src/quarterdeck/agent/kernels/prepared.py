"""Directories for kernels to come, made in advance.

To make a directory costs some file systems a millisecond once many were removed of late (ext4 looks for a number that was not in use
in the last seconds), and a kernel has three. None that a kernel has had is ever used again: its user may still have it open elsewhere.
"""

import contextlib
import fcntl
import logging
import os
import secrets
import struct
from collections.abc import Sequence
from pathlib import Path

from quarterdeck.agent.kernels.spec import TEMPORARY, WORK

PREFIX = "fresh-"
FEW = 16
"""So many are there for those that come at once, but while more are made: some at a time, for to go to a thread costs as much as to make them."""

COUNT = 24

_GET_FLAGS, _SET_FLAGS, _UNRELATED = 0x80086601, 0x40086602, 0x20000
"""What `chattr +T` does: the directories in this one have nothing to do with each other."""

_log = logging.getLogger(__name__)


class Prepared:
    """Up to 24 fresh directories in a directory of the agent's own, each with its two directories in it. The calls block."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._fresh: list[Path] = []

    @property
    def few(self) -> bool:
        """Whether more are to be made."""
        return len(self._fresh) < FEW

    def fill(self) -> None:
        """Make as many as are missing. Raises OSError."""
        if not self._fresh:
            _spread(self._place)
        while len(self._fresh) < COUNT:
            fresh = self._place / f"{PREFIX}{secrets.token_hex(8)}"
            for one in (fresh, fresh / WORK, fresh / TEMPORARY):
                one.mkdir(mode=0o700)
            self._fresh.append(fresh)

    def take(self, directory: Path) -> bool:
        """Have a fresh directory at a path; False: there is none."""
        if not self._fresh:
            return False
        try:
            os.rename(self._fresh.pop(), directory)  # noqa: PTH104 - quick
        except OSError as error:  # somebody has removed it: the kernel makes its own
            _log.warning("fresh-directory-lost", extra={"error": str(error)})
            return False
        return True

    def forget(self) -> Sequence[Path]:
        """Return all that there are, of an earlier life too; they are not given out any more."""
        self._fresh.clear()
        return list(self._place.glob(f"{PREFIX}*"))


def _spread(place: Path) -> None:
    """Have ext4 spread new directories over the disk, each where few were removed of late. Other file systems take no such advice."""
    directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with contextlib.suppress(OSError):
        (flags,) = struct.unpack("l", fcntl.ioctl(directory, _GET_FLAGS, struct.pack("l", 0)))
        fcntl.ioctl(directory, _SET_FLAGS, struct.pack("l", flags | _UNRELATED))
    os.close(directory)
