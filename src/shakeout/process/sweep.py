"""Leave nothing behind: kill every descendant, remove shared memory, remove the run directory.

Standard library only. The reaper sweeps when the runner or the spawner dies, the spawner when the
reaper dies, a nested spawner when its scope ends; the next run sweeps after those who could not. The
reaper spares the spawner until all is done, so that either finishes what the other was killed at.

No stranger is ever killed: a process is held by a pidfd first, then looked at, then signalled. All are
stopped before the first is killed, so that none makes anything while it is looked at what they hold.
Orphans come up to the sweeper, who adopts them (`linux.adopt_orphans`).
"""

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from shakeout.process import directories, procfs, shared

ROUND_SECONDS = 0.005
STOP_SECONDS_MAX = 0.2
STOP_LOOK_SECONDS = 0.0005
KILL_SECONDS_MAX = 20.0
MARK = "SHAKEOUT_RUN"


class Killed(NamedTuple):
    """Processes that are dead by now, and the files in /dev/shm that they could write to."""

    pids: set[int]
    files: set[str]


def everything(directory: Path, spare: int = 0) -> None:
    """Kill all descendants, then remove what the run made outside of and in its directory.

    The child `spare` is killed last of all, and never stopped: until then it can finish the work of
    whoever calls this.
    """
    kill_descendants(directory, spare)
    _remove(directory)
    kill_descendants(directory, spare)
    _kill_child(spare)
    kill_descendants(directory)


def kill_descendants(directory: Path, spare: int = 0) -> Killed:
    """SIGKILL until no descendant is left.

    The child `spare` is left alone. SIGCHLD stays blocked: whoever calls this ends soon.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})

    def find() -> list[int]:
        return [pid for pid in procfs.tree(os.getpid()) if pid != spare]

    killed = Killed(set(), set())
    deadline = time.monotonic() + KILL_SECONDS_MAX
    while _is_any_left(find, spare) and time.monotonic() < deadline:
        now = _kill(directory, find, _is_descendant)
        signal.sigtimedwait({signal.SIGCHLD}, ROUND_SECONDS)
        unseen = _collect_unseen(directory, now.pids)
        killed = Killed(killed.pids | now.pids | unseen, killed.files | now.files)
    unseen = _collect_unseen(directory, killed.pids)  # whoever died after the last round
    return Killed(killed.pids | unseen, killed.files)


def collect_dead() -> dict[int, int]:
    """Wait for the children that are dead already: wait status by pid."""
    dead: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return dead
        if pid == 0:
            return dead
        dead[pid] = status


def _collect_unseen(directory: Path, seen: set[int]) -> set[int]:
    """Wait for the dead, and write down those that nobody has seen before."""
    unseen = collect_dead().keys() - seen
    directories.note_pids(directory, unseen)
    return unseen


def note_all_shared_files(directory: Path) -> None:
    """Write down which files in /dev/shm all descendants made just now."""
    shared.note_files(directory, procfs.tree(os.getpid()))


def abandoned(home: Path, now: float) -> None:
    """Sweep after runs that were killed together with their reaper and spawner."""
    for directory in directories.stale(home, now):
        after(directory)


def after(directory: Path) -> None:
    """Sweep after a run none of whose own sweepers live: its processes are known by their mark."""

    def find() -> list[int]:
        return [pid for pid in procfs.marked(MARK, directory.name) if pid != os.getpid()]

    def is_marked(pid: int) -> bool:
        return procfs.environ(pid).get(MARK) == directory.name

    deadline = time.monotonic() + KILL_SECONDS_MAX
    while find() and time.monotonic() < deadline:
        _kill(directory, find, is_marked)
        select.select((), (), (), ROUND_SECONDS)
    _remove(directory)


def _remove(directory: Path) -> None:
    shared.remove_segments(directory, directories.started(directory))
    shared.remove_files(directory, shared.noted_files(directory))
    directories.remove(directory)


def _kill(directory: Path, find: Callable[[], list[int]], ours: Callable[[int], bool]) -> Killed:
    """Kill what is found and ours, once it is written down what it may leave."""
    held: dict[int, int] = {}
    while fresh := [pid for pid in find() if pid not in held]:
        held |= {pid: _stop(pid, ours) for pid in fresh}
        _wait_until_stopped(fresh)  # what one of them was forking is there by then
    killed = {pid: descriptor for pid, descriptor in held.items() if descriptor >= 0}
    directories.note_pids(directory, killed)
    files = shared.note_files(directory, killed)
    for descriptor in killed.values():
        _send(descriptor, signal.SIGKILL)
        os.close(descriptor)
    return Killed(set(killed), files)


def _kill_child(pid: int) -> None:
    descriptor = _hold(pid, _is_child)
    if descriptor >= 0:
        _send(descriptor, signal.SIGKILL)
        os.close(descriptor)


def _stop(pid: int, ours: Callable[[int], bool]) -> int:
    """Hold on to a process and stop it; -1 if not ours."""
    descriptor = _hold(pid, ours)
    if descriptor >= 0:
        _send(descriptor, signal.SIGSTOP)
    return descriptor


def _hold(pid: int, ours: Callable[[int], bool]) -> int:
    """Hold on to a process, so that its number cannot change hands; -1 if not ours."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return -1
    if not ours(pid):
        os.close(descriptor)
        return -1
    return descriptor


def _send(descriptor: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        signal.pidfd_send_signal(descriptor, number)


def _wait_until_stopped(pids: Iterable[int]) -> None:
    """A stopped process may still have to be scheduled to notice; one in a system call cannot yet."""
    deadline = time.monotonic() + STOP_SECONDS_MAX
    for pid in pids:
        while _is_moving(pid) and time.monotonic() < deadline:
            select.select((), (), (), STOP_LOOK_SECONDS)


def _is_moving(pid: int) -> bool:
    found = procfs.stat(pid)
    return found is not None and found.moving


def _is_descendant(pid: int) -> bool:
    me = os.getpid()
    while pid not in (me, 0):
        found = procfs.stat(pid)
        pid = found.parent if found else 0
    return pid == me


def _is_child(pid: int) -> bool:
    found = procfs.stat(pid)
    return found is not None and found.parent == os.getpid()


def _is_alive(pid: int) -> bool:
    found = procfs.stat(pid)
    return found is not None and found.alive


def _is_any_left(find: Callable[[], list[int]], spare: int) -> bool:
    """Whether descendants live, other than the one to spare: quick if so, thorough if not."""
    if any(map(_is_alive, find())):
        return True
    found = procfs.descendants(os.getpid())
    return any(process.alive and process.pid != spare for process in found)
