"""PostgreSQL through psycopg: a bounded pool of autocommit connections, transactions, retries of those that lost a race.

Rows come as dicts. `quarterdeck.infra.notifications` listens, `quarterdeck.infra.queries` loads the SQL,
`quarterdeck.infra.postgres_reconnection` waits for a server that is away.
"""

import asyncio
import collections
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

import psycopg
import psycopg_pool
from psycopg.rows import DictRow, dict_row

from quarterdeck.base import tasks
from quarterdeck.infra import postgres_reconnection
from quarterdeck.infra.errors import BrokenOff, Contended, DatabaseUnavailable, Locked

CONNECTIONS_MIN = 2
CONNECTIONS_MAX = 16
ACQUIRE_SECONDS_MAX = 5.0
OPEN_SECONDS_MAX = 10.0
WAITING_MAX = 1000
ATTEMPTS_MAX = 6
PLANS = "-c plan_cache_mode=force_generic_plan"
"""A prepared statement is planned once: ours are many and short, and planning them each time takes as long as running them."""
LOCK_SECONDS_MAX = 10
"""A statement waits for a lock so long at most: longer than anybody who stands still may hold one."""
STANDSTILL_SECONDS_MAX = 7
"""A transaction in which nothing comes for so long is ended by the server, with its locks: its owner was stopped, or cut off."""
RETRY_SECONDS_MIN = 0.002

_LOST_RACES = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
_LOST_CLASSES = frozenset({"08", "53", "57"})
"""SQLSTATE classes that say the server cannot be used now: connection, resources, operator intervention."""
_LOST_STATES = frozenset({"25P03"})
"""Single states that say so: the server has ended a transaction that stood still."""
_LIMITS = (
    f"-c lock_timeout={LOCK_SECONDS_MAX}s",
    f"-c idle_in_transaction_session_timeout={STANDSTILL_SECONDS_MAX}s",
)

Connection = psycopg.AsyncConnection[DictRow]
_T = TypeVar("_T")


class _Stack(collections.deque[_T]):
    """What was put down last is taken first."""

    def popleft(self) -> _T:
        """Take what was put down last."""
        return self.pop()


class _Pool(psycopg_pool.AsyncConnectionPool[Connection]):
    """Lends the connection that was given back last, whose process of the server has all at hand; in turn, all of them would be used, and none be warm."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self._pool = _Stack[Connection]()


class Database:
    """A pool of connections to one database."""

    def __init__(self, pool: _Pool, jitter: random.Random) -> None:
        self._pool = pool
        self._jitter = jitter

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        application_name: str,
        size_min: int = CONNECTIONS_MIN,
        size_max: int = CONNECTIONS_MAX,
    ) -> AsyncIterator["Database"]:
        """Own a pool for the time of a block; its first connections are made before the block begins. Raises `DatabaseUnavailable`."""
        jitter = random.Random()
        reconnection = postgres_reconnection.Reconnection(jitter)
        pool = _Pool(
            url,
            connection_class=postgres_reconnection.Connection,
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "application_name": application_name,
                "prepare_threshold": 2,
                "options": " ".join((PLANS, *_LIMITS)),
                "connect_timeout": postgres_reconnection.CONNECT_SECONDS_MAX,
                "reconnection": reconnection,
            },
            min_size=size_min,
            max_size=size_max,
            max_waiting=WAITING_MAX,
            timeout=ACQUIRE_SECONDS_MAX,
            reconnect_timeout=0.0,  # its pace is that of the reconnection
            reconnect_failed=reconnection.given_up,
            open=False,
        )
        try:
            await _fill(pool)
            yield cls(pool, jitter)
        finally:
            reconnection.end()
            await pool.close()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection in autocommit mode: each statement is its own transaction.

        Raises `DatabaseUnavailable`: nothing was done, unless it is `BrokenOff`; and `Contended`, `Locked` when a statement lost against
        other transactions: then nothing was done either.
        """
        try:
            with _unavailable():
                connection = await self._pool.getconn()
                try:
                    yield connection
                finally:
                    await self._pool.putconn(connection)
        except DatabaseUnavailable:
            await self._pool.check()  # after a restart of the server, one caller notices, not each
            raise

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection with a transaction that commits at the end of the block. Raises `Contended`, `DatabaseUnavailable`."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def retrying(self, work: Callable[[Connection], Awaitable[_T]]) -> _T:
        """Run `work` in a transaction; again if it lost against another (serialization failure, deadlock), up to 6 times.

        `work` must change nothing outside of the database. Raises `Contended`, `DatabaseUnavailable`.
        """
        lost: Contended | None = None
        for attempt in range(ATTEMPTS_MAX):
            try:
                async with self.transaction() as connection:
                    return await work(connection)
            except Contended as error:
                lost = error
            await tasks.pause(self._jitter.uniform(0, RETRY_SECONDS_MIN * 2**attempt))
        raise Contended from lost

    async def fetch(self, sql: str, parameters: dict[str, Any] | None = None) -> list[DictRow]:
        """Run one statement and return its rows. Raises `DatabaseUnavailable`."""
        async with self.connection() as connection:
            cursor = await connection.execute(_query(sql), parameters)
            return await cursor.fetchall()

    async def fetch_one(
        self, sql: str, parameters: dict[str, Any] | None = None
    ) -> DictRow | None:
        """Run one statement and return its first row. Raises `DatabaseUnavailable`."""
        async with self.connection() as connection:
            cursor = await connection.execute(_query(sql), parameters)
            return await cursor.fetchone()

    async def look(self, sql: str, parameters: dict[str, Any] | None = None) -> list[DictRow]:
        """Run one statement that changes nothing, and return its rows. Raises `DatabaseUnavailable`, never `BrokenOff`."""
        try:
            return await self.fetch(sql, parameters)
        except BrokenOff as error:
            raise DatabaseUnavailable(str(error)) from error

    async def look_one(self, sql: str, parameters: dict[str, Any] | None = None) -> DictRow | None:
        """Run one statement that changes nothing, and return its first row. Raises `DatabaseUnavailable`, never `BrokenOff`."""
        return next(iter(await self.look(sql, parameters)), None)

    async def execute(self, sql: str, parameters: dict[str, Any] | None = None) -> int:
        """Run one statement and return the number of rows it touched. Raises `DatabaseUnavailable`."""
        async with self.connection() as connection:
            cursor = await connection.execute(_query(sql), parameters)
            return cursor.rowcount

    async def check(self) -> None:
        """Ask the database for an answer. Raises `DatabaseUnavailable`."""
        async with self.connection() as connection:
            await connection.execute("SELECT 1")


async def _fill(pool: _Pool) -> None:
    """Open a pool. The deadline is not the pool's own, which would close it and wait for attempts that nobody has ended."""
    try:
        async with asyncio.timeout(OPEN_SECONDS_MAX):
            await pool.open(wait=True, timeout=2 * OPEN_SECONDS_MAX)
    except TimeoutError as error:
        raise DatabaseUnavailable("no connection to the database could be made in time") from error


def _query(sql: str) -> bytes:
    """Return SQL from `queries.sql` as psycopg takes it: bytes, for its `str` must be literal."""
    return sql.encode()


@contextlib.contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except (psycopg_pool.PoolTimeout, psycopg_pool.TooManyRequests) as error:
        raise DatabaseUnavailable("no connection to the database came free in time") from error
    except _LOST_RACES as error:
        raise Contended from error
    except psycopg.errors.LockNotAvailable as error:
        raise Locked from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        state = error.sqlstate or "08000"
        if state[:2] not in _LOST_CLASSES and state not in _LOST_STATES:
            raise
        # What the server says of the end of a connection is said instead of doing something; silence says nothing.
        kind = DatabaseUnavailable if error.sqlstate else BrokenOff
        raise kind(f"the database does not answer: {error}") from error
