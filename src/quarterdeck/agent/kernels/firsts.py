"""The first processes of kernels' pid namespaces, made by a nursery, a fork of the zygote. Used by `children`.

The first process of a namespace is the parent of all orphans in it, and the end of it is the end of all. A kernel cannot be it: the
operating system keeps signals from such a process, and a kernel could not tell orphans from children that its user's code waits for. So it
is one that has nothing of its own: it shares the nursery's memory and descriptors, and all that it ever does is one call of the C library,
which waits for a signal. The nursery ignores the ends of its children, and they inherit that: orphans are reaped by the operating system.
"""

import contextlib
import errno
import os
import signal
import socket
from typing import NamedTuple, NoReturn

from quarterdeck.agent.kernels import custody, linux

NURSERY = "qd-nursery"
"""What the nursery is called, and what it makes."""

_REQUEST = b"."
_PID_BYTES_MAX = 32
_DESCRIPTORS = 2


class First(NamedTuple):
    """A first process: a descriptor of its namespace, one of itself (a pidfd), and its pid as the agent sees it."""

    namespace: int
    handle: int
    pid: int


class Firsts:
    """The nursery, as the zygote has it. One first process is always made ahead."""

    def __init__(self, link: socket.socket, nursery: int) -> None:
        self._link = link
        self.nursery = nursery
        self._ask()

    @classmethod
    def open(cls) -> "Firsts":
        """Start the nursery. Raises OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            nursery = os.fork()
            if nursery == 0:
                _be_nursery(theirs)
        return cls(ours, nursery)

    def take(self) -> First:
        """Return one that nobody else has. Raises OSError."""
        _check_room()
        said, given, _, _ = socket.recv_fds(
            self._link, _PID_BYTES_MAX, _DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
        )
        self._ask()
        number = int(said)
        if not given:
            raise OSError(-number, os.strerror(-number))
        namespace, handle = given
        return First(namespace, handle, number)

    def _ask(self) -> None:
        self._link.send(_REQUEST)


def _check_room() -> None:
    """Raise OSError if there is no room for two descriptors more: one that comes then is lost, and its process stays for ever."""
    for descriptor in os.pipe():
        os.close(descriptor)


def _be_nursery(link: socket.socket) -> NoReturn:
    """Make what is asked for, until nobody asks any more."""
    try:
        _prepare(link)
        own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        while link.recv(len(_REQUEST)):
            try:
                first = _make(own)
            except OSError as error:
                link.send(str(-(error.errno or errno.EIO)).encode())
                continue
            socket.send_fds(link, [str(first.pid).encode()], [first.namespace, first.handle])
            os.close(first.namespace)
            os.close(first.handle)
    finally:
        os._exit(1)


def _prepare(link: socket.socket) -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    custody.close_all_but(link.fileno())
    os.closerange(0, 3)
    linux.set_name(NURSERY)
    # A kernel may have the same user. Last, as an ordinary user may not name such a process.
    linux.prctl(linux.PR_SET_DUMPABLE, 0)


def _make(own: int) -> First:
    """Make one; `own` is a descriptor of the nursery's pid namespace. Raises OSError."""
    linux.unshare(linux.CLONE_NEWPID)
    try:
        pid = linux.clone_pausing()
        with contextlib.ExitStack() as undo:
            undo.callback(os.kill, pid, signal.SIGKILL)
            namespace = os.open("/proc/self/ns/pid_for_children", os.O_RDONLY | os.O_CLOEXEC)
            undo.callback(os.close, namespace)
            handle = os.pidfd_open(pid)
            undo.callback(os.close, handle)
            first = First(namespace, handle, _pid_outside(handle))
            undo.pop_all()
    finally:
        linux.setns(own, linux.CLONE_NEWPID)
    return first


def _pid_outside(handle: int) -> int:
    """Return the pid of a process as the agent sees it, whose /proc this is."""
    with open(f"/proc/self/fdinfo/{handle}") as file:  # noqa: PTH123 - a path object for each is time that each kernel pays
        return next(int(line.split()[1]) for line in file if line.startswith("Pid:"))
