"""Removes directories with all that kernels put into them, following no link. For `directories` and `staging`.

A kernel may take rights away from its directories, nest them without end and write while they are removed. So each directory is given
its rights back, and what is in it comes up beside the one that is removed, under names that begin alike, until nothing is left.
"""

import contextlib
import errno
import logging
import os
import secrets
import stat
from collections.abc import Iterator

from quarterdeck.storage_proxy.volumes import walk

_ATTEMPTS_MAX = 8
_LOOK = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_EMPTY = frozenset({errno.ENOTEMPTY, errno.EEXIST})

_log = logging.getLogger(__name__)


def try_remove(parent: int, name: str) -> bool:
    """Do what `remove` does and tell whether it succeeded: if not, the log says why."""
    try:
        remove(parent, name)
    except OSError as error:
        _log.warning("leftover-not-removed", extra={"name_left": name, "error": repr(error)})
        return False
    return True


def remove(parent: int, name: str) -> None:
    """Remove `name`, if it is a directory with all that is in it. Another remover at the same work is no error.

    Raises `OSError`; then `name`, or something named `name-…`, is still in `parent`.
    """
    waiting = [(name, 0)]
    while waiting:
        at, attempts = waiting.pop()
        with contextlib.suppress(FileNotFoundError):
            if _unlinked(parent, at):
                continue
            if attempts == _ATTEMPTS_MAX:
                raise OSError(errno.ENOTEMPTY, "somebody keeps writing into it", at)
            waiting.append((at, attempts + 1))
            waiting += [(below, 0) for below in _emptied(parent, at, name)]


def move(parent: int, name: str, target: int, new_name: str) -> None:
    """Move a directory, also one whose owner forbids it, to another directory."""
    with _permitted(parent, name):
        os.rename(name, new_name, src_dir_fd=parent, dst_dir_fd=target)


def _emptied(parent: int, name: str, prefix: str) -> list[str]:
    """Remove the files from a directory, move the directories in it up to `parent`, and return their names there."""
    with _permitted(parent, name) as permitted, walk.directory(permitted) as directory:
        places = ((below, f"{prefix}-{secrets.token_hex(12)}") for below in walk.names(directory))
        return [above for below, above in places if not _cleared(directory, below, parent, above)]


def _cleared(directory: int, name: str, parent: int, above: str) -> bool:
    """Remove a file or an empty directory; any other is moved to `above` in `parent`: False."""
    with contextlib.suppress(FileNotFoundError):
        if not _unlinked(directory, name):
            move(directory, name, parent, above)
            return False
    return True


def _unlinked(parent: int, name: str) -> bool:
    """Remove a file or an empty directory; tell whether it was one."""
    try:
        os.unlink(name, dir_fd=parent)
    except IsADirectoryError:
        try:
            os.rmdir(name, dir_fd=parent)
        except OSError as error:
            if error.errno not in _NOT_EMPTY:
                raise
            return False
    return True


@contextlib.contextmanager
def _permitted(parent: int, name: str) -> Iterator[int]:
    """Hold a directory for the time of a block, after giving its owner, who is most often us, every right to it."""
    held = os.open(name, _LOOK, dir_fd=parent)
    try:
        mode = stat.S_IMODE(os.fstat(held).st_mode)
        if mode & stat.S_IRWXU != stat.S_IRWXU:
            with contextlib.suppress(PermissionError):
                os.chmod(f"/proc/self/fd/{held}", mode | stat.S_IRWXU)  # noqa: PTH101 - a descriptor
        yield held
    finally:
        os.close(held)
