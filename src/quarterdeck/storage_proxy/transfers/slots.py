"""How much each user does at once on this storage-proxy, so that one user cannot take all of it."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from weakref import WeakValueDictionary

from quarterdeck.storage_proxy import errors

TURNS_MAX = 2
"""How much long work of one user runs at once; the rest waits."""

TURN_SECONDS_MAX = 300.0


class Slots:
    """Counts transfers, and long work on trees, by whose they are."""

    def __init__(self, each_max: int, *, turn_seconds_max: float = TURN_SECONDS_MAX) -> None:
        self._each_max = each_max
        self._turn_seconds_max = turn_seconds_max
        self._taken: Counter[str] = Counter()
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def require(self, whose: str) -> None:
        """Raise `TooManyTransfers` unless there is room for one more."""
        if self._taken[whose] >= self._each_max:
            raise errors.TooManyTransfers(f"at most {self._each_max} transfers at once")

    @contextlib.contextmanager
    def taken(self, whose: str) -> Iterator[None]:
        """Count a transfer for the time of a block. Raises `TooManyTransfers`."""
        self.require(whose)
        self._taken[whose] += 1
        try:
            yield
        finally:
            self._taken[whose] -= 1
            if not self._taken[whose]:
                del self._taken[whose]

    @contextlib.asynccontextmanager
    async def turn(self, whose: str) -> AsyncIterator[None]:
        """Count long work like a transfer, and begin it when little of the same user's runs. Raises `TooManyTransfers`, also when that takes too long."""
        with self.taken(whose):
            turns = self._turns.setdefault(whose, asyncio.Semaphore(TURNS_MAX))
            try:
                async with asyncio.timeout(self._turn_seconds_max):
                    await turns.acquire()
            except TimeoutError:
                raise errors.TooManyTransfers("what was begun before takes too long") from None
            try:
                yield
            finally:
                turns.release()
