"""Run directories: one for each run, locked for as long as any process of the harness lives.

Standard library only: the reaper makes and removes them. The reaper and its spawner share one lock (it
is inherited by the fork), so a directory whose lock is free belongs to a run that was wholly killed;
the next run removes it.

    <home>/shk-<random>/     lock   held by reaper and spawner
                             pids   every process that was started, adopted or killed, one a line
                             shared files in /dev/shm that processes made, and when
                             harness.log  what reaper and spawner print
                             tmp/   TMPDIR of everything in the run
                             <component>/log, ...
"""

import contextlib
import fcntl
import os
import stat
from collections.abc import Collection
from pathlib import Path

PREFIX = "shk-"
LOCK = "lock"
PIDS = "pids"
SHARED = "shared"
TEMPORARY = "tmp"
HARNESS_LOG = "harness.log"
PATH_BYTES_MAX = 60
STALE_AGE_SECONDS_MIN = 10.0
REMOVE_ATTEMPTS = 5
HOME_MODE = (
    0o711  # others may pass through, a service that runs as another user must reach its data
)


def new_run_id() -> str:
    """Make the id of a run, which is also the name of its directory."""
    return PREFIX + os.urandom(4).hex()


def prepare_home(home: Path) -> Path:
    """Make the directory that holds run directories; raises OSError, also when it is not ours."""
    home.mkdir(parents=True, exist_ok=True, mode=HOME_MODE)
    found = home.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise NotADirectoryError(f"{home} is not a directory of this user")
    if len(os.fsencode(home)) > PATH_BYTES_MAX:
        raise OSError(f"{home} is too long a path for Unix sockets below it; set SHAKEOUT_HOME")
    return home


def create(home: Path, run_id: str) -> tuple[Path, int]:
    """Make the run directory; returns it and the descriptor that holds its lock. Raises OSError."""
    directory = home / run_id
    directory.mkdir(mode=HOME_MODE)
    try:
        descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (directory / TEMPORARY).mkdir()
    except OSError:
        remove(directory)
        raise
    return directory, descriptor


def make_below(existing: Path, directory: Path) -> None:
    """Make a directory and its parents, but not `existing`, if it is one of them. Raises FileNotFoundError, OSError."""
    missing = [each for each in (directory, *directory.parents) if each.is_relative_to(existing)]
    if not missing:
        directory.mkdir(parents=True, exist_ok=True)
    for each in reversed(missing[:-1]):
        each.mkdir(exist_ok=True)


def note(directory: Path, file: str, line: str) -> None:
    """Append a line to one of the lists of the run; a run that is going already needs none."""
    with contextlib.suppress(OSError):
        descriptor = os.open(
            directory / file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        )
        try:
            os.write(descriptor, f"{line}\n".encode())
        finally:
            os.close(descriptor)


def note_pids(directory: Path, pids: Collection[int]) -> None:
    """Append to the processes of the run."""
    if pids:
        note(directory, PIDS, "\n".join(map(str, pids)))


def noted(directory: Path, file: str) -> set[str]:
    """Read one of the lists of the run."""
    try:
        return set((directory / file).read_text().splitlines())
    except OSError:
        return set()


def started(directory: Path) -> set[int]:
    """Pids of all processes that the harness started, adopted or killed in the run."""
    return {int(line) for line in noted(directory, PIDS) if line.isdecimal()}


def stale(home: Path, now: float) -> list[Path]:
    """Run directories that no run holds, and that are old enough not to be just starting.

    `now` is the modification time of a file just made on the same file system.
    """
    return [path for path in home.glob(PREFIX + "*") if _is_stale(path, now)]


def remove(directory: Path) -> bool:
    """Remove a directory and all below, whatever the modes in it; False if something resists.

    Links are removed, not followed. Repeated for what appears in it meanwhile.
    """
    for _ in range(REMOVE_ATTEMPTS):
        found = [os.fspath(directory)]
        for each in found:
            found += _empty(each)
        for each in reversed(found):
            with contextlib.suppress(OSError):
                os.rmdir(each)  # noqa: PTH106 (a database has a thousand files: no Path for each)
        if not os.path.lexists(directory):
            return True
    return False


def _empty(directory: str) -> list[str]:
    """Remove the files of a directory; returns the directories in it."""
    left = []
    try:
        os.chmod(directory, 0o700)  # noqa: PTH101 (as above)
        with os.scandir(directory) as listing:
            entries = list(listing)
    except OSError:
        return []
    for entry in entries:
        with contextlib.suppress(OSError):
            if entry.is_dir(follow_symlinks=False):
                left.append(entry.path)
            else:
                os.unlink(entry.path)  # noqa: PTH108 (as above)
    return left


def _is_stale(path: Path, now: float) -> bool:
    try:
        if now - path.stat().st_mtime < STALE_AGE_SECONDS_MIN:
            return False
        descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return path.exists()
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
