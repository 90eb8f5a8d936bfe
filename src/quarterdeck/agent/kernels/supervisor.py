"""The first process of a kernel without namespaces: parent of the runner, which it outlives to see that nothing of the kernel remains.

It is the subreaper of all that the kernel starts, and kills until no child is left. It writes the runner's wait status to a pipe of the
zygote's. Used by `children`. It does little, because each page that it touches is memory of the kernel.
"""

import os
import signal
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import NoReturn

from quarterdeck.agent.kernels import linux

_AWAITED = {signal.SIGCHLD, signal.SIGTERM}


def main(run: Callable[[], NoReturn], status: int, *, parent: int) -> NoReturn:
    """Fork the runner, wait for its end, then end all. `parent`: the zygote's pid.

    `status` is the descriptor of the pipe; the process keeps no other.
    """
    _adopt(parent)
    runner = os.fork()
    if runner == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.close(status)
        run()
    os.closerange(0, status)
    os.closerange(status + 1, status + 64)
    code = _wait_or_be_told(runner)
    if code is not None:
        _leave(status, code)
    _kill_descendants()
    os._exit(0)


def _leave(status: int, code: int) -> None:
    """Tell how the runner ended. A zygote that is just being killed hears it no more: what remains is ended all the same."""
    try:
        os.write(status, code.to_bytes(4, "little"))
    except BrokenPipeError:
        return


def read_status(descriptor: int) -> int | None:
    """Return the wait status that a supervisor has left; None if it was killed with its runner."""
    try:
        data = os.read(descriptor, 4)
    finally:
        os.close(descriptor)
    return int.from_bytes(data, "little") if data else None


def reaped() -> Iterator[tuple[int, int]]:
    """Yield pid and wait status of every child that has ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status


def kill_children(*, except_for: Container[int]) -> None:
    """Kill children of this process, a subreaper, that are not listed, and what they leave, until none is left."""
    while True:
        strays = [pid for pid, parent in _parents().items() if parent == os.getpid()]
        strays = [pid for pid in strays if pid not in except_for]
        if not strays:
            return
        for pid in strays:
            _kill(pid)
            os.waitpid(pid, 0)


def _adopt(parent: int) -> None:
    """Adopt the orphans of this kernel, and get SIGTERM when the zygote dies."""
    signal.pthread_sigmask(signal.SIG_SETMASK, _AWAITED)
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


def _wait_or_be_told(runner: int) -> int | None:
    """Reap until the runner has ended, and return its wait status; None when SIGTERM asks to end it."""
    while True:
        if signal.sigwait(_AWAITED) == signal.SIGTERM:
            return None
        for pid, status in reaped():
            if pid == runner:
                return status


def _kill_descendants() -> None:
    """Kill until there is no child: then there is no descendant either, as orphans become children."""
    while _has_children():
        for pid in _descendants(os.getpid()):
            _kill(pid)
        os.waitpid(-1, 0)


def _has_children() -> bool:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _descendants(root: int) -> set[int]:
    parents = _parents()
    found: set[int] = set()
    edge = {root}
    while edge:
        edge = {pid for pid, parent in parents.items() if parent in edge} - found
        found |= edge
    return found


def _parents() -> dict[int, int]:
    """Return pid -> parent's pid of every process that can be seen."""
    parents = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            try:
                text = (Path(entry.path) / "stat").read_bytes()
            except OSError:
                continue
            parents[int(entry.name)] = int(text[text.rindex(b")") + 2 :].split()[1])
    return parents


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
