"""The agent's fork server, of the standard library only, so that a fork is cheap.

`python -m quarterdeck.agent.kernels.zygote FD isolated|plain ROOM`. Over a SEQPACKET socket it takes `{"spawn": id}` with the four
descriptors of a `Gift` and the agent's three ends of the same channels, `{"kill": id}`, and `{"forget": id}` once the end of a kernel is
known for good. It says `{"ready": isolation, "protocol": n}`, `{"refused": id, "detail": …}` and, when no process of a kernel is left,
`{"gone": id, "status": …}`.

With `{"door": seconds}` (a listening socket, its directory) it outlives its agent: it waits that long for the next one, and gives it
`{"held": id, "first": pid}` with the ends of each kernel, before it says that it is ready. Without a door it ends when the agent does, as it does on
`{"end": true}`. In a pid namespace of its own, all kernels end with it.
"""

import gc
import json
import math
import os
import resource
import select
import signal
import socket
import sys
import time
from collections import deque
from dataclasses import asdict, replace
from fcntl import F_DUPFD_CLOEXEC, fcntl
from functools import partial
from typing import Any, NamedTuple, NoReturn

from quarterdeck.agent.kernels import custody, linux, namespaces, runner, streams
from quarterdeck.agent.kernels.children import Apart, Children, Supervised
from quarterdeck.agent.kernels.custody import Line
from quarterdeck.agent.kernels.linux import Mark
from quarterdeck.agent.kernels.namespaces import Frame, Isolation
from quarterdeck.agent.kernels.owners import Owner, Owners
from quarterdeck.agent.kernels.runner import (
    NO_FAILURE,
    Gift,
    Marks,
    Place,
)
from quarterdeck.agent.kernels.serving import DESCRIPTOR_FIRST
from quarterdeck.agent.kernels.spec import ISOLATED, MARK, KernelSpec, SetUpFailed

REHEARSALS = 10
FORK_RETRY_SECONDS = 1.0

REFILL_AFTER_MS = 4
"""How long a process that becomes a kernel has the machine for itself, before another is made in its place; unless none waits any more."""


class Child(NamedTuple):
    """A process, as `children` know it, and the way to what becomes a kernel while that waits to be needed."""

    pid: int
    link: socket.socket
    owner: Owner


class Zygote:
    """The server's state: processes that wait to become kernels, and the kernels."""

    idle_count = 4
    """How many processes wait: what they prepare is no part of a kernel's start."""

    def __init__(self, agent: socket.socket, isolation: Isolation) -> None:
        self._line = Line(agent)
        self._owners = Owners.open(namespaced=isolation.namespaced, user=isolation.user)
        self._isolation = replace(isolation, rooms=self._owners.have_rooms)
        self._frame = self._make_frame()
        self._idle: deque[Child] = deque()
        self._refill_at = 0.0
        self._kernels: dict[str, Child] = {}
        self._marks = Marks(Mark.of_last_argument(), Mark.of_variable(MARK))
        self._marks.title.write("zygote")
        os.environ.clear()  # no kernel has anything of it
        self._children: Children = Apart() if isolation.pids else Supervised()
        self._wake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, _nothing)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Serve until the agent is gone, and no other may come."""
        while len(self._idle) < self.idle_count:
            self._idle.append(self._fork())
        self._say_ready()
        while self._line.lasts():
            poll = select.poll()
            for descriptor in (self._wake, *self._children.sources()):
                poll.register(descriptor, select.POLLIN)
            for source in self._line.sources():
                poll.register(source, select.POLLIN)
            self._work({descriptor for descriptor, _ in poll.poll(self._wait_ms())})
        self._line.close()

    def _work(self, ready: set[int]) -> None:
        """Do what is to be done about these descriptors, and fork if it is time to."""
        if self._refill_ms() == 0 and not self._line.speaks(ready):
            self._refill()
        if self._wake in ready:
            os.read(self._wake, 4096)
        if not ready.isdisjoint((self._wake, *self._children.sources())):
            for pid, status in self._children.ended():
                self._forget(pid, status)
        if self._line.speaks(ready) and (said := self._line.receive()) is not None:
            self._take(*said)
        if self._line.knocks(ready) and self._line.admit():
            self._say_ready()

    def _wait_ms(self) -> int | None:
        """Return how long nothing need be done unless something comes."""
        waits = (self._refill_ms(), self._line.wait_ms())
        return min((one for one in waits if one is not None), default=None)

    def _refill_ms(self) -> int | None:
        """Return how long it is until another process is to be made; None: there are enough."""
        if len(self._idle) >= self.idle_count:
            return None
        left = 0.0 if not self._idle else self._refill_at - time.monotonic()
        return max(0, math.ceil(1000 * left))

    def _take(self, message: dict[str, Any], given: list[int]) -> None:
        match message:
            case {"spawn": kernel}:
                gift = len(Gift._fields)
                self._line.custody.keep(kernel, given[gift:])
                self._spawn(kernel, given[:gift])
            case {"kill": kernel}:
                self._kill(kernel)
            case {"forget": kernel}:
                self._line.custody.forget(kernel)
            case {"door": seconds}:
                listener, directory = given
                self._line.make_door(listener, directory, seconds)
            case _:
                self._line.close()

    def _spawn(self, kernel: str, given: list[int]) -> None:
        try:
            if len(self._idle) == self.idle_count:
                self._refill_at = time.monotonic() + REFILL_AFTER_MS / 1000
            child = self._idle.popleft() if self._idle else self._fork()
            self._kernels[kernel] = child
            self._line.custody.note_first(kernel, self._children.first(child.pid))
            with child.link:
                self._give(child, given)
        except BrokenPipeError:
            return  # it died while idle; its end is told when it is reaped
        except OSError as error:
            self._line.custody.forget(kernel)
            self._line.say({"refused": kernel, "detail": f"fork: {error.strerror}"})
        finally:
            for descriptor in given:
                os.close(descriptor)

    def _give(self, child: Child, given: list[int]) -> None:
        """Make an idle process a kernel; where it has a file system of its own, with what it may see of the host's. Raises OSError."""
        if not self._isolation.namespaced:
            socket.send_fds(child.link, [NO_FAILURE], given)
            return
        failure, trees = NO_FAILURE, list[int]()
        try:
            kernel = KernelSpec.read(given[Gift._fields.index("spec")])
            trees = namespaces.open_trees(kernel, child.owner)
        except SetUpFailed as error:
            failure = json.dumps([error.code, error.detail]).encode()
        except OSError as error:
            failure = json.dumps(["kernel-failed", str(error)]).encode()
        try:
            socket.send_fds(child.link, [failure], [*given, *trees])
        finally:
            for tree in trees:
                os.close(tree)

    def _refill(self) -> None:
        try:
            self._idle.append(self._fork())
        except OSError:
            sources = [self._wake, *(source.fileno() for source in self._line.sources())]
            select.select(sources, [], [], FORK_RETRY_SECONDS)

    def _fork(self) -> Child:
        """Make a process that waits to become a kernel. Raises OSError."""
        link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        high = fcntl(theirs.fileno(), F_DUPFD_CLOEXEC, DESCRIPTOR_FIRST)
        try:
            owner = self._owners.take()
            try:
                run = partial(self._become, owner, high)
                pid = self._children.fork(run, high, *self._kept_by_children(owner))
            except OSError:
                self._owners.give_back(owner)
                raise
        except OSError:
            link.close()
            raise
        finally:
            theirs.close()
            os.close(high)
        return Child(pid, link, owner)

    def _make_frame(self) -> Frame | None:
        """Return what all kernels have in common."""
        if not self._isolation.namespaced:
            return None
        return namespaces.frame(user=self._isolation.user)

    def _kept_by_children(self, _owner: Owner) -> tuple[int, ...]:
        """Return the descriptors that a process needs to become a kernel."""
        return () if self._frame is None else (self._frame.pattern,)

    def _become(self, owner: Owner, link: int, first: int) -> NoReturn:
        """Be a process that waits to become a kernel."""
        runner.main(link, Place(owner, self._frame, first), self._marks)

    def _kill(self, kernel: str) -> None:
        child = self._kernels.get(kernel)
        if child is None:
            self._line.say({"gone": kernel, "status": None})
        else:
            self._children.kill(child.pid)

    def _forget(self, pid: int, status: int | None) -> None:
        """Take note that a child has ended and all its processes with it."""
        for child in self._idle:
            if child.pid == pid:
                self._idle.remove(child)
                self._owners.give_back(child.owner)
                child.link.close()
                return
        for kernel, child in self._kernels.items():
            if child.pid == pid:
                del self._kernels[kernel]
                reason = self._owners.give_back(child.owner)
                self._line.say(self._line.custody.end(kernel, status, reason))
                return

    def _say_ready(self) -> None:
        self._line.say({"ready": asdict(self._isolation), "protocol": custody.PROTOCOL})


def main(descriptor: int, *, isolate: bool, kind: type[Zygote] = Zygote) -> None:
    """Serve the agent at the other end of a socket. Without `isolate`, use no namespaces."""
    linux.set_name("qd-zygote")
    agent = socket.socket(fileno=descriptor)
    isolation = namespaces.probe() if isolate else Isolation()
    if isolation.user:
        namespaces.enter_user_namespace(mounts=True)
    if isolation.pids:
        linux.enter_pid_namespace(agent.close)
    else:
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    streams.unbuffer_c_streams()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for _ in range(REHEARSALS):
        runner.rehearse()
    gc.disable()
    gc.collect()
    gc.freeze()
    kind(agent, isolation).serve()


def _nothing(_number: int, _frame: object) -> None:
    """Do nothing: a handler must be there for the wake-up descriptor to be written."""


if __name__ == "__main__":
    main(int(sys.argv[1]), isolate=sys.argv[2] == ISOLATED)
