"""What an agent has to say to a zygote, kept in order until that takes it. Used by `launcher`."""

import asyncio
import logging
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from quarterdeck.wire import decode

_log = logging.getLogger(__name__)


class _Outgoing(NamedTuple):
    """A message to the zygote; `spawn` is the kernel that it makes."""

    data: bytes
    descriptors: tuple[int, ...]
    spawn: str | None


class Outbox:
    """Messages on their way. `lost` hears of a kernel whose making cannot be asked for, and why."""

    def __init__(self, link: socket.socket, lost: Callable[[str, OSError], None]) -> None:
        self._link = link
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._outgoing: deque[_Outgoing] = deque()
        self._waits = False

    def send(self, message: dict[str, Any], given: tuple[int, ...] = ()) -> None:
        """Send a message, now or when the zygote takes it, with descriptors, which are closed here then."""
        self._outgoing.append(_Outgoing(decode.encode(message), given, message.get("spawn")))
        if not self._waits:
            self._flush()

    def close(self) -> None:
        """Forget what was not sent."""
        self._wait(wait=False)
        for waiting in self._outgoing:
            for descriptor in waiting.descriptors:
                os.close(descriptor)
        self._outgoing.clear()

    def _flush(self) -> None:
        while self._outgoing:
            first = self._outgoing[0]
            try:
                socket.send_fds(self._link, [first.data], list(first.descriptors))
            except BlockingIOError:
                self._wait(wait=True)
                return
            except OSError as error:  # if the zygote is gone, reading tells
                _log.warning("zygote-unreachable", extra={"error": str(error)})
                if first.spawn is not None:
                    self._lost(first.spawn, error)
            self._outgoing.popleft()
            for descriptor in first.descriptors:
                os.close(descriptor)
        self._wait(wait=False)

    def _wait(self, *, wait: bool) -> None:
        """Go on when the zygote takes more, or do not. Each call of the loop for it costs more than to send a message."""
        if wait and not self._waits:
            self._loop.add_writer(self._link, self._flush)
        elif self._waits and not wait:
            self._loop.remove_writer(self._link)
        self._waits = wait
