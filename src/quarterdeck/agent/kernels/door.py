"""The door through which an agent comes to the zygote of the one before it. Standard library only; used by `custody`."""

import contextlib
import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

NAME = "zygote.sock"
"""The socket's name in the agent's directory."""

LOOK_MS = 500
"""How often a zygote without an agent looks whether anybody can still come."""

_BACKLOG = 4
_CREDENTIALS = struct.Struct("3i")


class Door:
    """The listening socket through which the next agent comes, and how long its zygote waits for one."""

    def __init__(self, listener: socket.socket, directory: int, seconds: float) -> None:
        """`directory` is a descriptor of the directory that the socket lies in."""
        self._directory = directory
        self._seconds = seconds
        self._deadline: float | None = None
        self._inode = os.stat(NAME, dir_fd=directory).st_ino
        self.listener = listener
        listener.listen(_BACKLOG)

    def open(self) -> None:
        """The agent has gone: from now on the time runs."""
        self._deadline = time.monotonic() + self._seconds

    def wait_ms(self) -> int:
        """Return how long to wait before `is_in_vain` is worth asking."""
        left = LOOK_MS if self._deadline is None else (self._deadline - time.monotonic()) * 1000
        return max(0, min(LOOK_MS, int(left) + 1))

    def is_in_vain(self) -> bool:
        """Tell whether nobody will come: it took too long, or nobody finds the socket any more."""
        late = self._deadline is not None and time.monotonic() >= self._deadline
        return late or not self._is_there()

    def admit(self) -> socket.socket | None:
        """Let in whoever knocks: an agent of our user, none of our own kernels."""
        try:
            visitor, _ = self.listener.accept()
        except OSError:
            return None
        data = visitor.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _ = _CREDENTIALS.unpack(data)
        if uid != os.geteuid() or _is_ours(pid):
            visitor.close()
            return None
        self._deadline = None
        return visitor

    def close(self) -> None:
        """Take the socket away, if it is still this one."""
        if self._is_there():
            with contextlib.suppress(OSError):
                os.unlink(NAME, dir_fd=self._directory)

    def _is_there(self) -> bool:
        try:
            return os.stat(NAME, dir_fd=self._directory).st_ino == self._inode
        except OSError:
            return False


def _is_ours(pid: int) -> bool:
    """Tell whether a process descends from this one. In a pid namespace of our own all that have a number do: agents have none."""
    me = os.getpid()
    return pid != 0 if me == 1 else me in {pid, *_ancestors(pid)}


def _ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        try:
            text = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return
        pid = int(text[text.rindex(b")") + 2 :].split()[1])
        yield pid
