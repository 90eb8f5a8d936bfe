"""Walks that cannot leave a tree: each step opens one name below an open directory and follows no link. For `local`.

All functions block; `local` calls them in threads. A name is one component, judged by `model` before.
"""

import contextlib
import errno
import functools
import itertools
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence

from quarterdeck.storage_proxy import errors

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP})
_SIMPLE: Mapping[int, Callable[[], errors.StorageError]] = {
    errno.EROFS: errors.StorageReadOnly,
    errno.ENOTDIR: functools.partial(errors.NotDirectory, field="path"),
    errno.EISDIR: functools.partial(errors.IsDirectory, field="path"),
    errno.EEXIST: functools.partial(errors.PathTaken, field="path"),
    errno.EAGAIN: functools.partial(
        errors.FileBusy, "somebody holds a lease on this file", field="path"
    ),
}
_AWAY = frozenset({errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENODEV})


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn what the file system answers within the block into the conditions of `errors`."""
    try:
        yield
    except FileNotFoundError as error:
        raise errors.FileNotFound(field="path") from error
    except OSError as error:
        if (found := _condition(error)) is None:
            raise
        raise found from error


@contextlib.contextmanager
def directory(start: int, path: Sequence[str] = (), *, make: bool = False) -> Iterator[int]:
    """Give the descriptor of a directory below `start` for the time of a block; `make` makes what is missing on the way."""
    below = start
    try:
        for name in path or (".",):
            above, below = below, _made(below, name) if make else step(below, name)
            if above != start:
                os.close(above)
        yield below
    finally:
        if below != start:
            os.close(below)


def step(parent: int, name: str) -> int:
    """Open the directory `name`. Raises `FileNotFound`, `NotDirectory`, `PathRefused`."""
    try:
        return os.open(name, _DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        raise errors.FileNotFound(field="path") from None
    except OSError as error:
        if error.errno not in {errno.ENOTDIR, errno.ELOOP}:
            raise
    if look(parent, name) == "file":
        raise errors.NotDirectory(field="path")
    raise refused()


def look(parent: int, name: str) -> str | None:
    """Tell what `name` is without following it: file, directory, other; None when there is nothing."""
    try:
        return kind(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return None


def names(directory: int) -> list[str]:
    """Return the names in an open directory."""
    return os.listdir(directory)


def some(directory: int, most: int) -> list[os.DirEntry[str]]:
    """Return the entries of an open directory, but one more than `most` at most: it may hold any number."""
    with os.scandir(directory) as items:
        return list(itertools.islice(items, most + 1))


def kind(mode: int) -> str:
    """Name the kind of a file by its mode: file, directory, or other for links, devices, pipes and sockets."""
    if stat.S_ISREG(mode):
        return "file"
    return "directory" if stat.S_ISDIR(mode) else "other"


def open_file(parent: int, name: str) -> int:
    """Open the plain file `name` for reading; nothing else is ever opened. Raises `FileNotFound`, `IsDirectory`, `PathRefused`."""
    try:
        seen = os.open(name, _LOOK, dir_fd=parent)
    except FileNotFoundError:
        raise errors.FileNotFound(field="path") from None
    try:
        require_file(kind(os.fstat(seen).st_mode))
        return os.open(f"/proc/self/fd/{seen}", _READ)
    finally:
        os.close(seen)


def require_file(found: str) -> None:
    """Raise `IsDirectory` or `PathRefused` unless the kind is that of a plain file."""
    if found == "directory":
        raise errors.IsDirectory(field="path")
    if found != "file":
        raise refused()


def refused() -> errors.PathRefused:
    """Return the refusal of links, devices, pipes and sockets."""
    return errors.PathRefused("a part of this path is no plain file or directory", field="path")


def _made(parent: int, name: str) -> int:
    try:
        return step(parent, name)
    except errors.FileNotFound:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=parent)
            os.fsync(parent)
        return step(parent, name)


def _condition(error: OSError) -> errors.StorageError | None:
    """Return what an answer of the file system means; a kernel may have changed what was seen a moment ago."""
    number = error.errno or 0
    if number in _FULL:
        return errors.StorageFull()
    if number in _REFUSED:
        return errors.PathRefused(
            "this file may not be touched: its owner forbids it", field="path"
        )
    if number in _AWAY:
        return errors.StorageUnavailable()
    if number == errno.ENOTEMPTY:
        return errors.StorageUnavailable("somebody writes into what is to be removed; try again")
    simple = _SIMPLE.get(number)
    return None if simple is None else simple()
