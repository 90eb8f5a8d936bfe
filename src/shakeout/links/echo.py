"""What probes find at the far end of a link: everything comes back, and what arrived is counted.

A probe goes through the same sockets and pipes as the connections of the system, and asks nothing of the target.
"""

import contextlib
import socket

from shakeout.links import loop as loops
from shakeout.links.loop import Loop

READ_BYTES_MAX = 65536


class Echo:
    """The far ends of all probes of one link."""

    def __init__(self, loop: Loop) -> None:
        self.received = 0
        self._loop = loop

    def end(self) -> socket.socket:
        """Make another; the returned end leads to it."""
        near, far = socket.socketpair()
        near.settimeout(0)
        far.settimeout(0)
        _Mirror(self, self._loop, far)
        return near


class _Mirror:
    """Sends back what it reads, and reads nothing more until it has."""

    def __init__(self, echo: Echo, loop: Loop, end: socket.socket) -> None:
        self._echo = echo
        self._loop = loop
        self._end = end
        self._left = b""
        loop.watch(end.fileno(), loops.READ, self._handle)

    def _handle(self, _events: int) -> None:
        try:
            if not self._left:
                self._left = self._end.recv(READ_BYTES_MAX)
                self._echo.received += len(self._left)
                if not self._left:
                    self._close()
                    return
            with contextlib.suppress(BlockingIOError):
                self._left = self._left[self._end.send(self._left) :]
        except BlockingIOError:
            return
        except OSError:
            self._close()
            return
        self._loop.watch(
            self._end.fileno(), loops.WRITE if self._left else loops.READ, self._handle
        )

    def _close(self) -> None:
        self._loop.forget(self._end.fileno())
        self._end.close()
