"""Renames that replace nothing, by `renameat2`, which Python lacks. For `arranging`."""

import ctypes
import errno
import os

from quarterdeck.storage_proxy import errors

_NO_REPLACE = 1
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS})

_libc = ctypes.CDLL(None, use_errno=True)
_libc.renameat2.argtypes = [
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.c_uint,
]


def place(parent: int, name: str, target: int, new_name: str) -> None:
    """Give a file or directory its place; nothing may be there. Raises `PathTaken`, `PathRefused` for a place inside itself.

    A file system that cannot do it so is asked in two steps.
    """
    old, new = os.fsencode(name), os.fsencode(new_name)
    if _libc.renameat2(parent, old, target, new, _NO_REPLACE) == 0:
        return
    code = ctypes.get_errno()
    if code == errno.EEXIST:
        raise errors.PathTaken(field="target")
    if code not in _UNSUPPORTED:
        raise OSError(code, os.strerror(code), new_name)
    _in_two_steps(parent, name, target, new_name)


def _in_two_steps(parent: int, name: str, target: int, new_name: str) -> None:
    try:
        os.stat(new_name, dir_fd=target, follow_symlinks=False)
    except FileNotFoundError:
        try:
            os.rename(name, new_name, src_dir_fd=parent, dst_dir_fd=target)
        except OSError as error:
            if error.errno == errno.EINVAL:
                raise errors.PathRefused(
                    "nothing can be moved into itself", field="target"
                ) from None
            raise
        return
    raise errors.PathTaken(field="target")
