"""How the pool of `quarterdeck.infra.postgres` gets connections of a server that is away: at a short, even pace, until it is back.

The pool's own pace doubles from a second on, so callers would wait for seconds after the server is back.
"""

import asyncio
import contextlib
import functools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Self, TypeVar

import psycopg
import psycopg_pool
from psycopg.rows import DictRow

from quarterdeck.base import tasks
from quarterdeck.infra import postgres_watch
from quarterdeck.infra.errors import DatabaseUnavailable

PAUSE_SECONDS_MIN = 0.05
PAUSE_SECONDS_MAX = 0.1
CONNECT_SECONDS_MAX = 2
"""One attempt, for a network that swallows what is sent; libpq takes whole seconds, at least 2."""

ROUND_SECONDS_MAX = 5.0
"""After so many seconds of attempts the pool's worker sees to its other work first."""

_T = TypeVar("_T")


class Reconnection:
    """The attempts of one pool. All of them end with `end`."""

    def __init__(self, jitter: random.Random) -> None:
        self._jitter = jitter
        self._outage = tasks.Outage("database")
        self._rounds: set[asyncio.Timeout] = set()
        self._ended = False

    def end(self) -> None:
        """Let the attempts under way fail now, and later ones at once."""
        self._ended = True
        for one in self._rounds:
            one.reschedule(0)

    async def retry(self, connect: Callable[[], Awaitable[_T]]) -> _T:
        """Connect; try again, for 5 s at most. Raises the last `psycopg.Error`."""
        refusal: psycopg.Error = psycopg.OperationalError("the server said nothing in time")
        async with self._round():
            while True:
                try:
                    made = await connect()
                except psycopg.Error as error:
                    refusal = error
                else:
                    self._outage.over()
                    return made
                self._outage.note(DatabaseUnavailable(f"no connection could be made: {refusal}"))
                await self._pause()
        raise refusal

    async def given_up(self, pool: psycopg_pool.AsyncConnectionPool[Any]) -> None:
        """Ask the pool to grow if it should: its callback for a connection that it gave up, of which it is smaller now."""
        await self._pause()
        found = pool.get_stats()
        wanted = found["requests_waiting"] or found["pool_size"] < found["pool_min"]
        if wanted and not found["pool_available"] and not self._ended:
            await pool.check()

    async def _pause(self) -> None:
        await tasks.pause(self._jitter.uniform(PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX))

    @contextlib.asynccontextmanager
    async def _round(self) -> AsyncIterator[None]:
        """A block that ends early, and quietly, when its time is over or `end` is called."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0 if self._ended else ROUND_SECONDS_MAX) as limit:
                self._rounds.add(limit)
                try:
                    yield
                finally:
                    self._rounds.discard(limit)


class Connection(postgres_watch.Connection[DictRow]):
    """A connection whose option `reconnection` tells how it is made."""

    @classmethod
    async def connect(cls, conninfo: str = "", **options: Any) -> Self:
        """Connect as the `Reconnection` does. Raises `psycopg.Error`."""
        reconnection: Reconnection = options.pop("reconnection")
        return await reconnection.retry(functools.partial(super().connect, conninfo, **options))
