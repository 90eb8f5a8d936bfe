"""Copies of files and directories that show one moment: first hard links to all files, quickly, then their contents. For `arranging`.

What storage-proxies write never changes a file that has a name, so the links show that moment however long the copying takes. A kernel
may write into a file in place: one that does so while it is copied is copied again, and in the end refused.
"""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator

from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.model import Limits
from quarterdeck.storage_proxy.volumes import listing, walk
from quarterdeck.storage_proxy.volumes.scopes import Amount

_ATTEMPTS_MAX = 3
_BLOCK_BYTES = 1 << 20
_COPY_BYTES = 1 << 30
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_CANNOT = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF})


class Snapshot:
    """Links below one directory of our own, that become copies. Symbolic links are kept as they are, devices and pipes are left out."""

    def __init__(self, limits: Limits, depth: int) -> None:
        """`depth` is how deep in a tree the copy will be."""
        self._limits = limits
        self._depth = depth
        self._entries = 0
        self.amount = Amount()

    def take(self, parent: int, name: str, into: int) -> None:
        """Link what `name` is and all below it into the directory `into`. Raises `TooManyEntries`, `PathTooLong`."""
        self._take(parent, name, into, self._depth)

    def fill(self, directory: int) -> None:
        """Replace the links in a directory by copies. Raises `FileBusy`."""
        for name in walk.names(directory):
            kind = walk.look(directory, name)
            if kind == "directory":
                with walk.directory(directory, (name,)) as below:
                    self.fill(below)
            elif kind == "file":
                _copy(directory, name)
        os.fsync(directory)

    def _take(self, parent: int, name: str, into: int, depth: int) -> None:
        if depth > self._limits.depth_max:
            raise errors.PathTooLong(
                f"a path has at most {self._limits.depth_max} parts", field="target"
            )
        with _may_go(into):
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                self._take_directory(parent, name, into, depth)
            elif stat.S_ISREG(found.st_mode):
                os.link(name, name, src_dir_fd=parent, dst_dir_fd=into, follow_symlinks=False)
                self.amount += Amount(found.st_size, 1)
            elif stat.S_ISLNK(found.st_mode):
                os.symlink(os.readlink(name, dir_fd=parent), name, dir_fd=into)
                self.amount += Amount(0, 1)

    def _take_directory(self, parent: int, name: str, into: int, depth: int) -> None:
        with walk.directory(parent, (name,)) as source:
            os.mkdir(name, 0o755, dir_fd=into)
            self.amount += Amount(0, 1)
            with walk.directory(into, (name,)) as target:
                found = walk.some(source, self._limits.copy_entries_max - self._entries)
                self._entries += len(found)
                listing.bound(self._entries, self._limits.copy_entries_max)
                for below in found:
                    self._take(source, below.name, target, depth + 1)


@contextlib.contextmanager
def _may_go(into: int) -> Iterator[None]:
    """Pass over what goes while it is copied. Raises `StorageUnavailable` if it is the copy that went."""
    try:
        yield
    except (FileNotFoundError, errors.FileNotFound):
        if os.fstat(into).st_nlink == 0:
            raise errors.StorageUnavailable("the copy was removed while it was made") from None


def require_depth(parent: int, name: str, levels: int) -> None:
    """Raise `PathTooLong` if a directory has more levels below it than these."""
    if levels < 0:
        raise errors.PathTooLong("what is in it would be too deep", field="target")
    with (
        contextlib.suppress(errors.FileNotFound),
        walk.directory(parent, (name,)) as directory,
        os.scandir(directory) as items,
    ):
        for item in items:
            if levels == 0 or item.is_dir(follow_symlinks=False):
                require_depth(directory, item.name, levels - 1)


def _copy(directory: int, name: str) -> None:
    """Replace a link by a copy of its own, with the mode and the time of the original."""
    copy = secrets.token_hex(12)
    with contextlib.ExitStack() as stack:
        source = walk.open_file(directory, name)
        stack.callback(os.close, source)
        target = os.open(copy, _NEW, 0o600, dir_fd=directory)
        stack.callback(os.close, target)
        found = _content(source, target)
        os.fchmod(target, stat.S_IMODE(found.st_mode) & 0o777)
        os.utime(target, ns=(found.st_mtime_ns, found.st_mtime_ns))
        os.fsync(target)
        os.rename(copy, name, src_dir_fd=directory, dst_dir_fd=directory)


def _content(source: int, target: int) -> os.stat_result:
    for _ in range(_ATTEMPTS_MAX):
        before = os.fstat(source)
        os.lseek(source, 0, os.SEEK_SET)
        os.lseek(target, 0, os.SEEK_SET)
        os.ftruncate(target, 0)
        while _some(source, target):
            pass
        after = os.fstat(source)
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            return after
    raise errors.FileBusy(field="source")


def _some(source: int, target: int) -> int:
    """Copy a stretch, in the kernel where the file system can; nothing is left when it returns 0."""
    try:
        return os.copy_file_range(source, target, _COPY_BYTES)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    block = memoryview(os.read(source, _BLOCK_BYTES))
    rest = block
    while rest:
        rest = rest[os.write(target, rest) :]
    return len(block)
