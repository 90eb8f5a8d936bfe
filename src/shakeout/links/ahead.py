"""A request that is sent on a connection of its own, ahead of its like. Inside the proxy; made by `line`, whose relay takes the other end."""

import socket
from collections.abc import Callable

from shakeout.links import loop as loops
from shakeout.links.loop import Loop

READ_BYTES_MAX = 65536
ANSWER_SECONDS_MAX = 0.5
"""How long the second of two equal requests waits for the answer to the first."""
OPEN_SECONDS_MAX = 5.0


class Ahead:
    """Our end of the connection: what comes back is thrown away."""

    def __init__(self, loop: Loop, data: bytes, then: Callable[[], None]) -> None:
        """`then` is called once, when the answer comes, or has not come for a while."""
        self._loop = loop
        self._then = [then]
        self._end, self.other = socket.socketpair()
        for end in (self._end, self.other):
            end.settimeout(0)
        self._end.send(data)
        now = loop.now()
        loop.watch(self._end.fileno(), loops.READ, self._discard)
        loop.at(now + ANSWER_SECONDS_MAX, self._go_on)
        loop.at(now + OPEN_SECONDS_MAX, self._close)

    def _discard(self, _events: int) -> None:
        self._go_on()
        try:
            data = self._end.recv(READ_BYTES_MAX)
        except OSError:
            data = b""
        if not data:
            self._close()

    def _go_on(self) -> None:
        if self._then:
            self._then.pop()()

    def _close(self) -> None:
        if self._end.fileno() >= 0:
            self._loop.forget(self._end.fileno())
            self._end.close()
