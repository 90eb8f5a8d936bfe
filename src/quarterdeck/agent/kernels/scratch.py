"""The directories of an agent's kernels: one root that belongs to one agent at a time, one directory a kernel.

A kernel makes its own directory (`runner`); only the agent removes it, after the kernel's last process is gone.
"""

import errno
import fcntl
import itertools
import logging
import os
import secrets
import select
import signal
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from quarterdeck.agent.kernels.errors import ScratchInUse
from quarterdeck.agent.kernels.leftovers import Leftovers
from quarterdeck.agent.kernels.prepared import Prepared
from quarterdeck.agent.kernels.spec import TEMPORARY, WORK

_LOCK = ".lock"
STATE = ".state"
"""The agent's own directory in the root: what it has to know in its next life."""

USED = "used-"
"""What the directory of a kernel that has left no files is called there, until it is removed."""

LEFT = ".left"
"""How the name ends of what an earlier life has left, until it is removed."""

_BATCH = 1000
_QUICK_BYTES_MAX = 4096
"""The size of a directory that is looked into at once: that of a new one."""

_STRAY_WAIT_MS = 5000

_log = logging.getLogger(__name__)


class Scratch:
    """A scratch root held by a lock. `damage` says what was not as it should be; nothing of that keeps an agent from working."""

    def __init__(self, root: Path, lock: int, damage: tuple[str, ...] = ()) -> None:
        self._root = root
        self._lock = lock
        self._prepared = Prepared(root / STATE)
        self._used: list[str] = []
        self._leftovers = Leftovers(_remove)
        self.damage = damage

    @classmethod
    def open(cls, root: Path) -> "Scratch":
        """Take the root, and make it where it is missing or something else is in its place. Raises `ScratchInUse`."""
        damage: list[str] = []
        try:
            _make_directory(root, damage)
            _make_directory(root / STATE, damage)
            return cls(root, _lock(root), tuple(damage))
        except OSError as error:
            _log.exception("scratch-unusable", extra={"root": str(root)})
            return cls(root, -1, (*damage, f"the scratch directory is unusable: {error}"))

    @property
    def state(self) -> Path:
        """Where the agent keeps what it has to know in its next life."""
        return self._root / STATE

    @property
    def usable(self) -> bool:
        """Whether the root is there and held."""
        return self._lock >= 0

    def directory(self, kernel: str) -> Path:
        """Return where a kernel's directory is, or will be."""
        return self._root / kernel

    @property
    def few(self) -> bool:
        """Whether it is time to `prepare`."""
        return self._prepared.few

    def prepare(self) -> None:
        """Make directories for kernels to come, and remove those that were set aside, or could not be removed before. Raises OSError."""
        self._leftovers.try_again()
        while self._used:
            used = self._used.pop()
            if not _remove_empty(used):
                self._leftovers.remove(Path(used))
        if self.usable:
            self._prepared.fill()

    def provide(self, kernel: str) -> bool:
        """Have a kernel's directory there already, if one was made in advance."""
        return self._prepared.take(self.directory(kernel))

    def set_aside(self, kernel: str) -> bool:
        """Take away the directory of a kernel that has left no files; `prepare` removes it. False: it has left some, or there is no such directory."""
        top, aside = f"{self._root}/{kernel}", f"{self._root}/{STATE}/{USED}{kernel}"
        try:
            if not _is_unused(top):
                return False
            os.rename(top, aside)  # noqa: PTH104 - quick
        except OSError:
            return False
        self._used.append(aside)
        return True

    def remove(self, kernel: str) -> None:
        """Remove a kernel's directory with all in it. Raises OSError."""
        remove_tree(self.directory(kernel))

    def close(self) -> None:
        """Give the root free."""
        if self._lock >= 0:
            os.close(self._lock)

    def clean(self, kept: Collection[str]) -> None:
        """Remove what was left by kernels other than these, with the processes that work in it. What stays is in the log, and `prepare` tries again."""
        if not self.usable:
            return
        for left in (*self._prepared.forget(), *self.state.glob(f"{USED}*")):
            self._leftovers.remove(left)
        for pid in kill_processes_in(self._root, kept):
            _log.warning("stray-process-killed", extra={"pid": pid})
        for left in self._root.iterdir():
            if left.name in kept or left.name in {_LOCK, STATE}:
                continue
            renamed = _renamed(left)
            if renamed is not None and self._leftovers.remove(renamed):
                _log.info("scratch-leftover-removed", extra={"kernel": left.name})


def _make_directory(path: Path, damage: list[str]) -> None:
    """Make a private directory; something else in its place is moved aside. Raises OSError."""
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        aside = path.with_name(f"{path.name}.damaged")
        path.replace(aside)
        damage.append(f"{path} was no directory; it is {aside.name} now")
        _log.error("scratch-damaged", extra={"path": str(path), "aside": str(aside)})
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def _lock(root: Path) -> int:
    """Hold a root; return the descriptor that does. Raises `ScratchInUse`, OSError."""
    lock = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise ScratchInUse(f"Another agent works in {root}") from None
    return lock


def remove_tree(top: Path) -> None:
    """Remove a directory that nobody uses, of any depth and with any permissions; never what is mounted in it.

    Raises OSError (EBUSY when something is mounted below it). A directory that is not there is removed already.
    """
    if _remove_empty(f"{top}"):
        return
    if _holds_mount(top):
        raise OSError(errno.EBUSY, "Something is mounted in it", str(top))
    try:
        top.chmod(0o700)
    except FileNotFoundError:
        return
    prefix = secrets.token_hex(16)  # a name that its user had not thought of
    names = (top / f".removed-{prefix}-{number}" for number in itertools.count())
    while entries := _some_entries(top):
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _flatten(Path(entry.path), names)
            else:
                Path(entry.path).unlink()
    top.rmdir()


def _is_unused(top: str) -> bool:
    """Tell whether a kernel's directory is as it was made. Raises OSError."""
    own = {TEMPORARY, WORK}
    if not all(_is_small(one) for one in (top, f"{top}/{TEMPORARY}", f"{top}/{WORK}")):
        return False
    return _some_names(top) == own and not any(_some_names(f"{top}/{one}") for one in own)


def _is_small(path: str) -> bool:
    """Tell whether this is a directory, no link to one, that is quickly read: those of ext4 stay as large as they ever were. Raises OSError."""
    found = os.lstat(path)
    return stat.S_ISDIR(found.st_mode) and found.st_size <= _QUICK_BYTES_MAX


def _some_names(directory: str) -> set[str]:
    """Return up to three of the names in a directory. Raises OSError."""
    with os.scandir(directory) as entries:
        return {entry.name for entry in itertools.islice(entries, 3)}


def _remove_empty(top: str) -> bool:
    """Remove the directory of a kernel that has left no files; False: there is something in it. What is mounted somewhere cannot be removed so."""
    try:
        for one in (f"{top}/{WORK}", f"{top}/{TEMPORARY}", top):
            os.rmdir(one)  # noqa: PTH106 - quick
    except OSError:
        return False
    return True


def _renamed(left: Path) -> Path | None:
    """Give what was left a name that no kernel will ever have, and return it; None: it cannot have one, nor be removed then."""
    try:
        return left if left.suffix == LEFT else left.rename(left.with_name(f"{left.name}{LEFT}"))
    except OSError as error:
        extra = {"kernel": left.name, "error": str(error)}
        _log.warning("scratch-leftover-stays", extra=extra)
        return None


def _remove(left: Path) -> None:
    """Remove whatever was left. Raises OSError."""
    remove_tree(left) if left.is_dir() and not left.is_symlink() else left.unlink(missing_ok=True)


def kill_processes_in(root: Path, kept: Collection[str] = ()) -> list[int]:
    """Kill the processes whose working directory is below a root, wait for their end, and return their pids.

    Those in the directories of the root that are `kept` are left alone.
    """
    killed = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and _works_in(entry, root, kept):
            try:
                handle = os.pidfd_open(int(entry.name))
            except ProcessLookupError:
                continue
            if _works_in(entry, root, kept):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                _wait_for_end(handle)
                killed.append(int(entry.name))
            os.close(handle)
    return killed


def _flatten(directory: Path, names: Iterator[Path]) -> None:
    """Remove a directory after moving its directories to new names at the top: no depth is too deep then."""
    directory.chmod(0o700)
    while entries := _some_entries(directory):
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                Path(entry.path).chmod(0o700)
                Path(entry.path).rename(next(names))
            else:
                Path(entry.path).unlink()
    directory.rmdir()


def _some_entries(directory: Path) -> list[os.DirEntry[str]]:
    with os.scandir(directory) as entries:
        return list(itertools.islice(entries, _BATCH))


def _holds_mount(top: Path) -> bool:
    below = f"{top}/"
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return any(line.split(" ", 5)[4].startswith(below) for line in lines)


def _works_in(process: Path, root: Path, kept: Collection[str]) -> bool:
    try:
        place = (process / "cwd").readlink().relative_to(root)
    except (OSError, ValueError):
        return False
    return not place.parts or place.parts[0] not in kept


def _wait_for_end(handle: int) -> None:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.poll(_STRAY_WAIT_MS)
