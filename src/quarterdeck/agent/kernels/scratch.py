"""The directories of an agent's kernels: one root that belongs to one agent at a time, one directory a kernel.

A kernel makes its own directory (`runner`); only the agent removes it, after the kernel's last process is gone.
"""

import errno
import fcntl
import itertools
import logging
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

from quarterdeck.agent.kernels.errors import ScratchInUse

_LOCK = ".lock"
_BATCH = 1000
_STRAY_WAIT_MS = 5000

_log = logging.getLogger(__name__)


class Scratch:
    """A scratch root held by a lock. What an earlier agent left in it is removed by `open`."""

    def __init__(self, root: Path, lock: int) -> None:
        self._root = root
        self._lock = lock

    @classmethod
    def open(cls, root: Path) -> "Scratch":
        """Take the root and empty it of dead kernels. Raises `ScratchInUse`."""
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise ScratchInUse(f"Another agent works in {root}") from None
        scratch = cls(root, lock)
        scratch._clean()
        return scratch

    def directory(self, kernel: str) -> Path:
        """Return where a kernel's directory is, or will be."""
        return self._root / kernel

    def remove(self, kernel: str) -> None:
        """Remove a kernel's directory with all in it. Raises OSError."""
        remove_tree(self.directory(kernel))

    def close(self) -> None:
        """Give the root free."""
        os.close(self._lock)

    def _clean(self) -> None:
        for pid in kill_processes_in(self._root):
            _log.warning("stray-process-killed", extra={"pid": pid})
        for left in self._root.iterdir():
            if left.name != _LOCK:
                _log.info("scratch-leftover-removed", extra={"kernel": left.name})
                remove_tree(left)


def remove_tree(top: Path) -> None:
    """Remove a directory that nobody uses, of any depth and with any permissions; never what is mounted in it.

    Raises OSError (EBUSY when something is mounted below it). A directory that is not there is removed already.
    """
    if _holds_mount(top):
        raise OSError(errno.EBUSY, "Something is mounted in it", str(top))
    try:
        top.chmod(0o700)
    except FileNotFoundError:
        return
    names = (top / f".removed-{number}" for number in itertools.count())
    while entries := _some_entries(top):
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _flatten(Path(entry.path), names)
            else:
                Path(entry.path).unlink()
    top.rmdir()


def kill_processes_in(root: Path) -> list[int]:
    """Kill the processes whose working directory is below a root, wait for their end, and return their pids."""
    killed = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and _works_in(entry, root):
            try:
                handle = os.pidfd_open(int(entry.name))
            except ProcessLookupError:
                continue
            if _works_in(entry, root):
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


def _works_in(process: Path, root: Path) -> bool:
    try:
        return (process / "cwd").readlink().is_relative_to(root)
    except OSError:
        return False


def _wait_for_end(handle: int) -> None:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.poll(_STRAY_WAIT_MS)
