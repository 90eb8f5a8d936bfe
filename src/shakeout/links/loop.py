"""The proxy's event loop: descriptors and timers, and nothing between the kernel and the handlers.

A plain loop over epoll is quicker than asyncio's streams, see `benchmarks/link_overhead.py`. One thread; handlers never block.
"""

import heapq
import itertools
import select
import time
from collections.abc import Callable

READ = select.EPOLLIN
WRITE = select.EPOLLOUT

Handler = Callable[[int], None]
Callback = Callable[[], None]


class Loop:
    """Calls handlers with the events of their descriptors, and timers when they are due."""

    def __init__(self) -> None:
        self.now = time.monotonic
        self.running = True
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._timers: list[tuple[float, int, Callback]] = []
        self._numbers = itertools.count()

    def watch(self, descriptor: int, events: int, handler: Handler) -> None:
        """Call the handler whenever one of the events is there; without events, never."""
        known = descriptor in self._handlers
        if not events:
            self.forget(descriptor)
        elif known:
            self._handlers[descriptor] = handler
            self._epoll.modify(descriptor, events)
        else:
            self._handlers[descriptor] = handler
            self._epoll.register(descriptor, events)

    def forget(self, descriptor: int) -> None:
        """Watch it no more; to be called before it is closed."""
        if self._handlers.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def at(self, when: float, callback: Callback) -> None:
        """Call once at that time of the clock `now`."""
        heapq.heappush(self._timers, (when, next(self._numbers), callback))

    def run(self) -> None:
        """Go on until `running` is false."""
        handlers, poll = self._handlers, self._epoll.poll
        while self.running:
            for descriptor, events in poll(self._patience()):
                if handler := handlers.get(descriptor):
                    handler(events)
            if self._timers:
                self._ring()

    def _patience(self) -> float | None:
        if not self._timers:
            return None
        return max(0.0, self._timers[0][0] - self.now())

    def _ring(self) -> None:
        now = self.now()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
