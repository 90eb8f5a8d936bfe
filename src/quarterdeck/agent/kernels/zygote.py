"""The agent's fork server, of the standard library only, so that a fork is cheap.

`python -m quarterdeck.agent.kernels.zygote FD isolated|plain ROOM`. Over a SEQPACKET socket it takes `{"spawn": id}` with the four
descriptors of a `Gift`, and `{"kill": id}`; it says `{"ready": isolation}`, `{"refused": id, "detail": …}` and, when no process of a
kernel is left, `{"gone": id, "status": …}`. It ends when the agent does; in a pid namespace of its own, all kernels end with it.
"""

import gc
import json
import os
import resource
import select
import signal
import socket
import sys
from collections import deque
from dataclasses import asdict
from fcntl import F_DUPFD_CLOEXEC, fcntl
from functools import partial
from typing import Any, NamedTuple

from quarterdeck.agent.kernels import linux, namespaces, runner, streams, supervisor
from quarterdeck.agent.kernels.linux import Mark
from quarterdeck.agent.kernels.namespaces import Isolation
from quarterdeck.agent.kernels.owners import Owner, Owners
from quarterdeck.agent.kernels.runner import (
    DESCRIPTOR_FIRST,
    NO_FAILURE,
    SPEC_BYTES_MAX,
    Gift,
    Marks,
    Place,
)
from quarterdeck.agent.kernels.spec import ISOLATED, MARK, KernelSpec, SetUpFailed

MESSAGE_BYTES_MAX = 2**20
REHEARSALS = 10
FORK_RETRY_SECONDS = 1.0

IDLE_COUNT = 2
"""How many processes wait to become kernels: what they prepare is no part of a kernel's start."""

REFILL_AFTER_MS = 10
"""How long nothing must happen before another is made in place of one that became a kernel."""


class Child(NamedTuple):
    """A supervisor: where it tells how its runner ended, and the way to the runner while that waits to be needed."""

    pid: int
    status: int
    link: socket.socket
    owner: Owner


class Zygote:
    """The server's state: processes that wait to become kernels, and the kernels."""

    def __init__(self, agent: socket.socket, isolation: Isolation) -> None:
        self._agent = agent
        self._isolation = isolation
        self._owners = Owners(mapped=isolation.namespaced and not isolation.user)
        self._frame = namespaces.frame(user=isolation.user) if isolation.namespaced else None
        self._idle: deque[Child] = deque()
        self._kernels: dict[str, Child] = {}
        self._marks = Marks(Mark.of_last_argument(), Mark.of_variable(MARK))
        self._marks.title.write("zygote")
        self._pid = os.getpid()
        self._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY) if isolation.pids else -1
        self._wake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, _nothing)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Serve until the agent is gone."""
        while len(self._idle) < IDLE_COUNT:
            self._idle.append(self._fork())
        self._say({"ready": asdict(self._isolation)})
        poll = select.poll()
        poll.register(self._agent, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while True:
            full = len(self._idle) >= IDLE_COUNT
            ready = {descriptor for descriptor, _ in poll.poll(None if full else REFILL_AFTER_MS)}
            if not ready:
                self._refill()
            if self._wake in ready:
                os.read(self._wake, 4096)
                self._reap()
            if self._agent.fileno() in ready and not self._take():
                return

    def _take(self) -> bool:
        """Serve one message; tell whether the agent is still there."""
        try:
            data, given, _, _ = socket.recv_fds(self._agent, MESSAGE_BYTES_MAX, len(Gift._fields))
        except ConnectionError:
            return False
        if not data:
            return False
        message = json.loads(data)
        if "spawn" in message:
            self._spawn(message["spawn"], given)
        else:
            self._kill(message["kill"])
        return True

    def _spawn(self, kernel: str, given: list[int]) -> None:
        try:
            child = self._idle.popleft() if self._idle else self._fork()
            self._kernels[kernel] = child
            with child.link:
                self._give(child, given)
        except BrokenPipeError:
            return  # it died while idle; its end is told when it is reaped
        except OSError as error:
            self._say({"refused": kernel, "detail": f"fork: {error.strerror}"})
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
            text = os.pread(given[Gift._fields.index("spec")], SPEC_BYTES_MAX, 0)
            trees = namespaces.open_trees(KernelSpec.decode(json.loads(text)), child.owner)
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
            select.select([self._agent], [], [], FORK_RETRY_SECONDS)

    def _fork(self) -> Child:
        """Make a process that waits to become a kernel. Raises OSError."""
        link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        status, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        high = [fcntl(one, F_DUPFD_CLOEXEC, DESCRIPTOR_FIRST) for one in (theirs.fileno(), write)]
        try:
            owner = self._owners.take()
            return Child(self._fork_isolated(owner, *high), status, link, owner)
        except OSError:
            link.close()
            os.close(status)
            raise
        finally:
            theirs.close()
            for descriptor in (write, *high):
                os.close(descriptor)

    def _fork_isolated(self, owner: Owner, link: int, status: int) -> int:
        if not self._isolation.pids:
            return self._fork_supervisor(owner, link, status)
        linux.unshare(linux.CLONE_NEWPID)
        try:
            return self._fork_supervisor(owner, link, status)
        finally:
            linux.setns(self._own_pids, linux.CLONE_NEWPID)

    def _fork_supervisor(self, owner: Owner, link: int, status: int) -> int:
        pid = os.fork()
        if pid:
            return pid
        try:
            signal.set_wakeup_fd(-1)
            place = Place(owner, self._frame)
            run = partial(runner.main, link, place, self._marks)
            supervisor.main(run, status, parent=None if self._isolation.pids else self._pid)
        except BaseException:  # noqa: BLE001 - supervisor: a forked process must not go on as the zygote
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(1)

    def _kill(self, kernel: str) -> None:
        child = self._kernels.get(kernel)
        if child is None:
            self._say({"gone": kernel, "status": None})
        elif self._isolation.pids:
            os.kill(child.pid, signal.SIGKILL)
        else:
            os.kill(child.pid, signal.SIGTERM)
            os.kill(child.pid, signal.SIGCONT)

    def _reap(self) -> None:
        for pid, status in supervisor.reaped():
            if status != 0 and not self._isolation.pids:  # it was kept from ending its kernel
                known = {child.pid for child in (*self._idle, *self._kernels.values())}
                supervisor.kill_children(except_for=known)
            self._forget(pid)

    def _forget(self, pid: int) -> None:
        """Take note that a supervisor has ended and all its processes with it."""
        for child in self._idle:
            if child.pid == pid:
                self._idle.remove(child)
                self._owners.give_back(child.owner)
                child.link.close()
                os.close(child.status)
                return
        for kernel, child in self._kernels.items():
            if child.pid == pid:
                del self._kernels[kernel]
                self._owners.give_back(child.owner)
                self._say({"gone": kernel, "status": _read_status(child.status)})
                return

    def _say(self, message: dict[str, Any]) -> None:
        try:
            self._agent.send(json.dumps(message).encode())
        except ConnectionError:
            sys.exit(0)


def main(descriptor: int, *, isolate: bool) -> None:
    """Serve the agent at the other end of a socket. Without `isolate`, use no namespaces."""
    linux.set_name("qd-zygote")
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    agent = socket.socket(fileno=descriptor)
    isolation = namespaces.probe() if isolate else Isolation()
    if isolation.user:
        namespaces.enter_user_namespace(mounts=True)
    if isolation.pids:
        _enter_pid_namespace(agent)
    else:
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    streams.unbuffer_c_streams()
    for _ in range(REHEARSALS):
        runner.rehearse()
    gc.disable()
    gc.collect()
    gc.freeze()
    Zygote(agent, isolation).serve()


def _enter_pid_namespace(agent: socket.socket) -> None:
    """Go on as pid 1 of a new pid namespace, in a child; this process only waits for it."""
    linux.unshare(linux.CLONE_NEWPID)
    child = os.fork()
    if child:
        agent.close()
        _, status = os.waitpid(child, 0)
        os._exit(min(abs(os.waitstatus_to_exitcode(status)), 255))
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)


def _read_status(descriptor: int) -> int | None:
    """Return the wait status that a supervisor has left; None if it was killed with its runner."""
    try:
        data = os.read(descriptor, 4)
    finally:
        os.close(descriptor)
    return int.from_bytes(data, "little") if data else None


def _nothing(_number: int, _frame: object) -> None:
    """Do nothing: a handler must be there for the wake-up descriptor to be written."""


if __name__ == "__main__":
    main(int(sys.argv[1]), isolate=sys.argv[2] == ISOLATED)
