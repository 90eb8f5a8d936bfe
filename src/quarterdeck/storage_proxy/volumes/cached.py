"""Small files that the kernel has in memory, read without a thread: whatever would wait for a disk is refused at once. For `local`.

By `openat2` and `preadv2`, see their manual pages. The library is called without giving up Python's lock: nothing here takes longer than
giving it up and getting it back.
"""

import ctypes
import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

_OPENAT2 = 437
_AT_FDCWD = -100
_RESOLVE_NO_MAGICLINKS, _RESOLVE_NO_SYMLINKS, _RESOLVE_CACHED = 0x02, 0x04, 0x20
_TMPFS_MAGIC = 0x01021994
_LOCAL_MAGICS = frozenset({_TMPFS_MAGIC, 0xEF53, 0x58465342, 0x9123683E})
"""tmpfs, ext4, XFS, Btrfs."""

_STATFS_BYTES = 256

_libc = ctypes.PyDLL(None, use_errno=True)
_LOOK = struct.pack(
    "QQQ",
    os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC,
    0,
    _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_SYMLINKS | _RESOLVE_CACHED,
)
"""`struct open_how`: flags, mode, how to resolve."""

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""Does not wait for the holder of a lease."""


@dataclass(frozen=True)
class Read:
    """A whole file, and what the file system says of it."""

    found: os.stat_result
    content: bytes


class Cache:
    """What the kernel has in memory below a directory."""

    def __init__(self, root: Path) -> None:
        """Look which file system this is: only one of this machine's own answers all that is asked here without asking elsewhere."""
        told = ctypes.create_string_buffer(_STATFS_BYTES)
        failed = _libc.statfs(os.fsencode(root), told)
        kind = 0 if failed else ctypes.c_long.from_buffer(told).value
        self._is_memory = kind == _TMPFS_MAGIC
        self._is_here = kind in _LOCAL_MAGICS

    def read(self, path: str, bytes_max: int) -> Read | None:
        """Return a plain file of at most so many bytes, no link on the way to it; None if it is another one, or cannot be had without waiting."""
        if not self._is_here:
            return None
        try:
            seen = _seen(path)
        except OSError:
            return None
        try:
            return self._read(seen, bytes_max)
        except OSError:
            return None
        finally:
            os.close(seen)

    def _read(self, seen: int, bytes_max: int) -> Read | None:
        found = os.fstat(seen)
        if not stat.S_ISREG(found.st_mode) or found.st_size > bytes_max:
            return None
        file = os.open(f"/proc/self/fd/{seen}", _READ)
        try:
            content = self._content(file, found.st_size)
        finally:
            os.close(file)
        return None if len(content) != found.st_size else Read(found, content)

    def _content(self, file: int, size: int) -> bytes:
        """Return what is in memory of a file; all of it where the file system is memory."""
        if self._is_memory:
            return os.pread(file, size, 0)
        content = bytearray(size)
        count = os.preadv(file, [content], 0, os.RWF_NOWAIT)
        return bytes(content[:count])


def _seen(path: str) -> int:
    """Return a descriptor that only names what is at a path."""
    file: int = _libc.syscall(_OPENAT2, _AT_FDCWD, os.fsencode(path), _LOOK, len(_LOOK))
    if file < 0:
        raise OSError(ctypes.get_errno(), "not in memory")
    return file
