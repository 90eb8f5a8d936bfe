"""The processes that a zygote forks to become kernels: how each is ended with all that it has started, and how that is known. Used by `zygote`.

`Apart` are those with a pid namespace each, which ends with its first process, see `firsts`. Elsewhere they are `Supervised`.
"""

import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from fcntl import F_DUPFD_CLOEXEC, fcntl
from functools import partial
from typing import NamedTuple, NoReturn, Protocol

from quarterdeck.agent.kernels import custody, linux, supervisor
from quarterdeck.agent.kernels.firsts import Firsts
from quarterdeck.agent.kernels.serving import DESCRIPTOR_FIRST

Run = Callable[[int], NoReturn]
"""What a child does, with the pid of the first process of its namespace as the agent sees it; 0: it has none of its own."""


class Ended(NamedTuple):
    """A child of which no process is left, and its wait status; None: all of it was killed at once."""

    pid: int
    status: int | None


class Children(Protocol):
    """The children of one zygote."""

    def fork(self, run: Run, *kept: int) -> int:
        """Fork one that runs something, with these descriptors and the standard ones. Raises OSError."""
        ...

    def first(self, pid: int) -> int:
        """Return the pid of the first process of a child's namespace as the agent sees it; 0: it has none of its own."""
        ...

    def kill(self, pid: int) -> None:
        """End one with all that it has started."""
        ...

    def sources(self) -> list[int]:
        """Return descriptors that are readable when one has ended; SIGCHLD tells of others."""
        ...

    def ended(self) -> Iterator[Ended]:
        """Yield those that have ended."""
        ...


class _Apart(NamedTuple):
    """The first process of a child's namespace: its pid as the agent sees it, and a descriptor of it (a pidfd)."""

    first: int
    handle: int


class Apart:
    """Children in pid namespaces of their own. A child that has ended takes its namespace with it."""

    def __init__(self) -> None:
        self._firsts = Firsts.open()
        self._own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._living: dict[int, _Apart] = {}
        self._killed: set[int] = set()
        self._ending: dict[int, Ended] = {}
        """By handle: those that have ended, while others may be left of theirs."""

    def fork(self, run: Run, *kept: int) -> int:
        """Fork one."""
        first = self._firsts.take()
        try:
            linux.setns(first.namespace, linux.CLONE_NEWPID)
            pid = _fork(partial(run, first.pid), kept)
        except OSError:
            _end(first.handle)
            os.close(first.handle)
            raise
        finally:
            linux.setns(self._own, linux.CLONE_NEWPID)
            os.close(first.namespace)
        self._living[pid] = _Apart(first.pid, first.handle)
        return pid

    def first(self, pid: int) -> int:
        """Return the first process of a child's namespace."""
        return self._living[pid].first if pid in self._living else 0

    def kill(self, pid: int) -> None:
        """End one by the end of its first process."""
        if pid in self._living:
            self._killed.add(pid)
            _end(self._living[pid].handle)

    def sources(self) -> list[int]:
        """Return descriptors of the first processes that are about to end."""
        return list(self._ending)

    def ended(self) -> Iterator[Ended]:
        """Yield those whose first processes have ended, and end those of others."""
        for pid, status in supervisor.reaped():
            self._note(pid, status)
        for handle in _readable(self._ending):
            os.close(handle)
            yield self._ending.pop(handle)

    def _note(self, pid: int, status: int) -> None:
        """Take note that a child has ended itself."""
        if pid == self._firsts.nursery:
            sys.exit("the nursery has ended")
        if pid not in self._living:
            return
        _, handle = self._living.pop(pid)
        at_once = pid in self._killed and os.WIFSIGNALED(status)
        self._killed.discard(pid)
        self._ending[handle] = Ended(pid, None if at_once else status)
        _end(handle)


class Supervised:
    """Children under a supervisor each, which tells in a pipe how they ended, and ends last."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._pipes: dict[int, int] = {}

    def fork(self, run: Run, *kept: int) -> int:
        """Fork a supervisor that forks one."""
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        high = fcntl(writing, F_DUPFD_CLOEXEC, DESCRIPTOR_FIRST)
        try:
            pid = _fork(
                partial(supervisor.main, partial(run, 0), high, parent=self._pid), (*kept, high)
            )
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
            os.close(high)
        self._pipes[pid] = reading
        return pid

    def first(self, _pid: int) -> int:
        """Return that there is none."""
        return 0

    def kill(self, pid: int) -> None:
        """Have one ended by its supervisor."""
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)

    def sources(self) -> list[int]:
        """Return nothing: SIGCHLD tells all."""
        return []

    def ended(self) -> Iterator[Ended]:
        """Yield those whose supervisors have ended, when those are gone that a supervisor was kept from ending."""
        for pid, status in supervisor.reaped():
            if status != 0:
                supervisor.kill_children(except_for=self._pipes)
            if pid in self._pipes:
                yield Ended(pid, supervisor.read_status(self._pipes.pop(pid)))


def _fork(run: Callable[[], NoReturn], kept: tuple[int, ...]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.set_wakeup_fd(-1)
        custody.close_all_but(*kept)
        run()
    except BaseException:  # noqa: BLE001 - supervisor: a forked process must not go on as the zygote
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)


def _end(handle: int) -> None:
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return


def _readable(descriptors: dict[int, Ended]) -> list[int]:
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll(0)]
