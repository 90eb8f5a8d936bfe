"""Where a container learns what it is: from a file with its spec, or on a socket, first what it is while it waits, then which kernel it is to be.

The agent's end is in `waiting`. Standard library only; used by `container` and `claim`.
"""

import os
import socket
import stat

from quarterdeck.agent.kernels.spec import KernelSpec

READY, UNFIT = b".", b"?"
"""What a container that waits says: that it does, or is what it was to be; that it cannot."""


class Specs:
    """The specs of one container. `more`: it waits, and another will come."""

    def __init__(self, given: int) -> None:
        self.more = stat.S_ISSOCK(os.fstat(given).st_mode)
        self._given = given
        self.link = socket.socket(fileno=given) if self.more else None

    def next(self) -> KernelSpec | None:
        """Return what the container is now; None: nobody wants it any more. Raises OSError."""
        if self.link is None:
            return _read(self._given)
        _, given, _, _ = socket.recv_fds(self.link, 1, 1, socket.MSG_CMSG_CLOEXEC)
        if not given:
            return None
        try:
            return _read(given[0])
        finally:
            os.close(given[0])

    def say(self, word: bytes) -> None:
        """Tell the agent. Raises OSError."""
        if self.link is not None:
            self.link.send(word)


def _read(file: int) -> KernelSpec:
    return KernelSpec.read(file)
