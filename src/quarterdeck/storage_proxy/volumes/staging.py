"""Files on their way into a tree: written where no listing and no kernel sees them, then put in place at once. For `local`.

A staged file has no name at all where the file system can do that, so that even a killed storage-proxy leaves nothing;
elsewhere it has a random name in the staging directory, and leftovers are removed when they are a day old. Directories there are locked
by who makes them: from the first moment, because sweeps look for the unlocked ones only while nobody makes any. `removal` removes.
"""

import contextlib
import errno
import fcntl
import math
import os
import secrets
import stat
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator

from quarterdeck.base.clock import Clock
from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.ports import Block
from quarterdeck.storage_proxy.volumes import removal, walk
from quarterdeck.storage_proxy.volumes.quotas import TreeAccount
from quarterdeck.storage_proxy.volumes.scopes import Amount

_UNNAMED = os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC
_NAMED = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_LEFT_OVER_SECONDS = 86400
_SWEPT_SECONDS = 10.0
_REMEMBERED_MAX = 1024
_CANNOT = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT})


class Staged:
    """One file being written. Its methods may be called from any thread; after `close` they do nothing."""

    is_counted = False

    def __init__(self, directory: int, *, unnamed: bool) -> None:
        """Begin an empty file in the staging directory, whose descriptor stays open until this is closed."""
        self._directory = directory
        self._lock = threading.Lock()
        self._name = "" if unnamed else _fresh()
        self._descriptor = (
            os.open(".", _UNNAMED, 0o644, dir_fd=directory)
            if unnamed
            else os.open(self._name, _NAMED, 0o644, dir_fd=directory)
        )

    def write(self, block: Block) -> None:
        """Append the block."""
        with self._lock:
            rest = memoryview(block)
            if self._descriptor >= 0:
                self._take(len(block))
            while rest and self._descriptor >= 0:
                rest = rest[os.write(self._descriptor, rest) :]

    def publish(self, parent: int, name: str) -> os.stat_result:
        """Make the content durable, then visible as `name` in `parent`; what was there is replaced."""
        with self._lock:
            os.fsync(self._descriptor)
            if self._name or not self._link(parent, name):
                self._replace(parent, name)
            os.fsync(parent)
            return os.fstat(self._descriptor)

    def _link(self, parent: int, name: str) -> bool:
        """Give a file without a name its first one; False if something has it already."""
        try:
            os.link(
                f"/proc/self/fd/{self._descriptor}", name, dst_dir_fd=parent, follow_symlinks=True
            )
        except FileExistsError:
            return False
        return True

    def _replace(self, parent: int, name: str) -> None:
        if not self._name:
            self._name = _fresh()
            self._link(self._directory, self._name)
        os.rename(self._name, name, src_dir_fd=self._directory, dst_dir_fd=parent)
        self._name = ""

    def _take(self, size: int) -> None:
        """Account for what is written next."""

    def _let_go(self) -> None:
        """Let go of what else this holds."""

    def close(self) -> None:
        """Forget the file: unless it was published, nothing of it is left."""
        with self._lock:
            if self._descriptor < 0:
                return
            if self._name:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._name, dir_fd=self._directory)
            os.close(self._descriptor)
            self._descriptor = -1
            self._let_go()

    def __del__(self) -> None:
        """Close what a cancelled caller never got."""
        if getattr(self, "_descriptor", -1) >= 0:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=1)
            self.close()


class Reserved(Staged):
    """One that is written while it arrives: it has an account, with room for so many bytes, which becomes ours, as does the directory."""

    def __init__(self, directory: int, account: TreeAccount, room: int, *, unnamed: bool) -> None:
        self.account = account
        self._room = room
        try:
            super().__init__(directory, unnamed=unnamed)
        except OSError:
            os.close(directory)
            raise

    def _take(self, size: int) -> None:
        if size > self._room:
            self.account.reserve(Amount(size - self._room))
        self._room = max(self._room - size, 0)

    def _let_go(self) -> None:
        os.close(self._directory)
        self.account.close()


def can_be_unnamed(directory: int) -> bool:
    """Tell whether the file system lets files be written that have no name yet."""
    try:
        os.close(os.open(".", _UNNAMED, 0o600, dir_fd=directory))
    except OSError as error:
        if error.errno in _CANNOT:
            return False
        raise
    return True


def discard(staging: int, parent: int, name: str) -> None:
    """Remove a directory: it is out of sight at once, then removed with all that is in it; what resists is left to `sweep`."""
    hidden = _fresh()
    removal.move(parent, name, staging, hidden)
    os.fsync(parent)
    removal.try_remove(staging, hidden)


@contextlib.contextmanager
def held(staging: int, name: str) -> Iterator[int]:
    """Make a directory and give it for the time of a block, locked: no sweep sees it without its lock, which makes it an orphan."""
    with contextlib.ExitStack() as stack:
        with walk.directory(staging) as gate:
            fcntl.flock(gate, fcntl.LOCK_SH)
            directory = stack.enter_context(walk.directory(staging, (name,), make=True))
            fcntl.flock(directory, fcntl.LOCK_EX)
        yield directory


def sweep(staging: int, now: float) -> None:
    """Remove directories whose makers are dead, and files that were left behind more than a day ago; what resists is tried again.

    `now` is in seconds since 1970.
    """
    if not walk.names(staging):
        return
    for name in [*_orphans(staging), *_old_files(staging, now)]:
        removal.try_remove(staging, name)


class Sweeps:
    """Remembers which staging directories were swept not long ago: one is not looked into again for each small file."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._swept: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def are_due(self, tree: str) -> bool:
        """Tell whether the staging directory of a tree is to be swept now, after which it is not for a while."""
        now = self._clock.monotonic()
        with self._lock:
            if now - self._swept.get(tree, -math.inf) < _SWEPT_SECONDS:
                return False
            self._swept[tree] = now
            self._swept.move_to_end(tree)
            while len(self._swept) > _REMEMBERED_MAX:
                self._swept.popitem(last=False)
            return True


def _orphans(staging: int) -> list[str]:
    """Return the directories that nobody holds; none while somebody makes one."""
    with walk.directory(staging) as gate:
        try:
            fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return []
        return [name for name in walk.names(staging) if _is_orphan(staging, name)]


def _is_orphan(staging: int, name: str) -> bool:
    """Tell whether this is a directory that nobody holds. One that may not be opened is on its way out: its owner forbids it."""
    if walk.look(staging, name) != "directory":
        return False
    try:
        with walk.directory(staging, (name,)) as directory:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, errors.FileNotFound):
        return False
    except PermissionError:
        return True
    return True


def _old_files(staging: int, now: float) -> Iterator[str]:
    for name in walk.names(staging):
        with contextlib.suppress(FileNotFoundError):
            found = os.stat(name, dir_fd=staging, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode) and now - found.st_mtime >= _LEFT_OVER_SECONDS:
                yield name


def _fresh() -> str:
    return secrets.token_hex(12)
