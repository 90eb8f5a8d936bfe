"""Directories of kernels that have gone, emptied and as new, for kernels to come.

To make a directory costs some file systems a millisecond once many were removed of late (ext4 looks for a number that was not in use
in the last seconds), and a kernel has three. What its user could have left on one - rights, owners, attributes, size - is looked at,
and whatever is not as new is not used again.
"""

import array
import fcntl
import logging
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path

from quarterdeck.agent.kernels.spec import TEMPORARY, WORK

PREFIX = "spare-"
SPARES_MAX = 16
DIRECTORY_BYTES_MAX = 4096
"""A directory that was large stays slow."""

_GET_FLAGS = 0x80086601
_FLAGS_OF_NEW = 0x00080000 | 0x10000000
"""Extents, data within the inode: what ext4 itself sets."""
_PLACE = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_log = logging.getLogger(__name__)


class Spares:
    """Up to 16 spare directories in a directory of the agent's own, each with its two directories in it."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._spares: list[Path] = []

    def keep(self, directory: Path) -> bool:
        """Keep an emptied directory if there is room and it is as new; else it is as it was. Raises OSError."""
        if len(self._spares) >= SPARES_MAX or not _is_as_new(directory):
            return False
        spare = self._place / f"{PREFIX}{secrets.token_hex(8)}"
        directory.rename(spare)
        self._spares.append(spare)
        return True

    def take(self, directory: Path) -> bool:
        """Have a spare directory at a path; False: there is none."""
        if not self._spares:
            return False
        try:
            self._spares.pop().rename(directory)
        except OSError as error:  # somebody has removed it: a new one is made
            _log.warning("spare-directory-lost", extra={"error": str(error)})
            return False
        return True

    def forget(self) -> Sequence[Path]:
        """Return all that there are, of an earlier life too; they are no spares any more."""
        self._spares.clear()
        return list(self._place.glob(f"{PREFIX}*"))


def _is_as_new(directory: Path) -> bool:
    """Tell whether a directory with two empty ones in it cannot be told from one just made, but for its times, which are set anew."""
    owner = directory.parent.stat()
    if {one.name for one in directory.iterdir()} != {WORK, TEMPORARY}:
        return False
    return all(
        _is_plain(one, owner) for one in (directory, directory / WORK, directory / TEMPORARY)
    )


def _is_plain(path: Path, owner: os.stat_result) -> bool:
    place = os.open(path, _PLACE)
    try:
        os.fchmod(place, 0o700)
        os.utime(place)
        found = os.fstat(place)
        return (
            (found.st_uid, found.st_gid) == (owner.st_uid, owner.st_gid)
            and stat.S_IMODE(found.st_mode) == 0o700
            and found.st_size <= DIRECTORY_BYTES_MAX
            and not os.listxattr(place)
            and not _flags(place) & ~_FLAGS_OF_NEW
        )
    finally:
        os.close(place)


def _flags(place: int) -> int:
    """Return the attributes that file systems keep beside the rights (`lsattr`); 0 where there are none."""
    flags = array.array("l", [0])
    try:
        fcntl.ioctl(place, _GET_FLAGS, flags)
    except OSError:
        return 0
    return flags[0]
