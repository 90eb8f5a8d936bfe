"""Small files that the kernel has in memory, read without a thread: whatever would wait for a disk is refused at once. For `local`.

By `openat2` and `preadv2`, see their manual pages. The library is called without giving up Python's lock: nothing here takes longer than
giving it up and getting it back.
"""

import contextlib
import ctypes
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_OPENAT2 = 437
_AT_FDCWD = -100
_RESOLVE_NO_MAGICLINKS, _RESOLVE_NO_SYMLINKS, _RESOLVE_CACHED = 0x02, 0x04, 0x20
_TMPFS_MAGIC = 0x01021994
_STATFS_BYTES = 256


_libc = ctypes.PyDLL(None, use_errno=True)
_LOOK = struct.pack(
    "QQQ",
    os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC,
    0,
    _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_SYMLINKS | _RESOLVE_CACHED,
)
"""`struct open_how`: flags, mode, how to resolve."""

_READ = os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True)
class Read:
    """A whole file, and what the file system says of it."""

    found: os.stat_result
    content: bytes


def read(path: str, bytes_max: int) -> Read | None:
    """Return a plain file of at most so many bytes, no link on the way to it; None if it is another one, or cannot be had without waiting."""
    try:
        with _seen(path) as seen:
            found = os.fstat(seen)
            if not stat.S_ISREG(found.st_mode) or found.st_size > bytes_max:
                return None
            with _opened(f"/proc/self/fd/{seen}") as file:
                content = _content(file, found.st_size)
    except OSError:
        return None
    return None if len(content) != found.st_size else Read(found, content)


@contextlib.contextmanager
def _seen(path: str) -> Iterator[int]:
    file = _libc.syscall(_OPENAT2, _AT_FDCWD, os.fsencode(path), _LOOK, len(_LOOK))
    if file < 0:
        raise OSError(ctypes.get_errno(), "not in memory")
    try:
        yield file
    finally:
        os.close(file)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    file = os.open(path, _READ)
    try:
        yield file
    finally:
        os.close(file)


def _content(file: int, size: int) -> bytes:
    """Return what is in memory of a file; all of it where the file system is memory."""
    if _is_memory(file):
        return os.pread(file, size, 0)
    content = bytearray(size)
    count = os.preadv(file, [content], 0, os.RWF_NOWAIT)
    return bytes(content[:count])


def _is_memory(file: int) -> bool:
    told = ctypes.create_string_buffer(_STATFS_BYTES)
    if _libc.fstatfs(file, told) != 0:
        return False
    return ctypes.c_long.from_buffer(told).value == _TMPFS_MAGIC
