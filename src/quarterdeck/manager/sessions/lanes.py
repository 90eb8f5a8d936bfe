"""The queue of kernels to look after: each at most once at a time, with a limit for each agent, so that a slow one holds up no other."""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from quarterdeck.manager.sessions.model import Due


class Lanes:
    """Kernels that wait their turn, one lane an agent."""

    def __init__(self, *, at_once_max: int) -> None:
        """Let at most `at_once_max` kernels of one agent be in hand at a time."""
        self._at_once_max = at_once_max
        self._lanes: dict[str, deque[Due]] = {}
        self._waiting: set[Due] = set()
        self._in_hand: set[Due] = set()
        self._busy: dict[str, int] = {}
        self._turns = asyncio.Semaphore(0)

    def put(self, due: Due) -> None:
        """Let a kernel wait its turn. One that waits already does so once; one in hand is taken again afterwards."""
        if due in self._waiting:
            return
        self._waiting.add(due)
        self._lanes.setdefault(due.agent, deque()).append(due)
        self._turns.release()

    @property
    def flowing(self) -> bool:
        """Whether all that wait can be taken at once: no agent has as many in hand as it may."""
        busy, most = self._busy, self._at_once_max
        return all(busy.get(agent, 0) + len(lane) <= most for agent, lane in self._lanes.items())

    async def wait(self) -> None:
        """Wait for a turn to take: one for each kernel that was put, and one for each that was put back while others wait."""
        await self._turns.acquire()

    @contextmanager
    def take(self) -> Iterator[Due | None]:
        """Have the next kernel that may be looked after in hand for the time of a block; None: there is none."""
        due = self._next()
        if due is None:
            yield None
            return
        self._waiting.discard(due)
        self._in_hand.add(due)
        self._busy[due.agent] = self._busy.get(due.agent, 0) + 1
        try:
            yield due
        finally:
            self._put_back(due)

    def _next(self) -> Due | None:
        for agent, lane in self._lanes.items():
            if self._busy.get(agent, 0) >= self._at_once_max:
                continue
            for at, due in enumerate(lane):
                if due not in self._in_hand:
                    del lane[at]
                    self._lanes[agent] = self._lanes.pop(agent)
                    return due
        return None

    def _put_back(self, due: Due) -> None:
        self._in_hand.discard(due)
        self._busy[due.agent] -= 1
        if not self._busy[due.agent]:
            del self._busy[due.agent]
        if not self._lanes.get(due.agent, True):
            del self._lanes[due.agent]
        if self._waiting:
            self._turns.release()
