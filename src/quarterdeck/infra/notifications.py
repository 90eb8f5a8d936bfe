"""LISTEN on PostgreSQL: a connection of its own that reconnects, and wakes for those who wait for a payload.

Whoever waits is also woken after each reconnect, since notifications sent meanwhile are lost.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import psycopg
from psycopg import sql

from quarterdeck.base import tasks
from quarterdeck.infra import postgres_watch
from quarterdeck.infra.errors import DatabaseUnavailable
from quarterdeck.infra.postgres_reconnection import CONNECT_SECONDS_MAX

_Connection = postgres_watch.Connection[tuple[object, ...]]
_Key = tuple[str, str | None]
Hear = Callable[[str | None], None]


class Notifications:
    """Wakes subscribers when the database notifies."""

    def __init__(self, url: str, channels: Sequence[str], application_name: str) -> None:
        self._url = url
        self._channels = channels
        self._application_name = application_name
        self._subscribers: dict[_Key, set[tasks.Wake]] = {}
        self._hearers: dict[str, list[Hear]] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, url: str, channels: Sequence[str], *, application_name: str
    ) -> AsyncIterator["Notifications"]:
        """Listen for the time of a block, from its first line on. Raises `DatabaseUnavailable`."""
        self = cls(url, channels, application_name)
        connection = await self._connect()
        async with tasks.background() as background:
            background.start(self._run(connection), name="notifications")
            yield self

    @property
    def subscriptions(self) -> int:
        """How many subscribe now."""
        return sum(map(len, self._subscribers.values()))

    @contextlib.contextmanager
    def subscribe(
        self, channel: str, payload: str | None = None, *, wake: tasks.Wake | None = None
    ) -> Iterator[tasks.Wake]:
        """Give a `Wake` (yours, if given) that is set by each notification of the channel with this payload (None: any)."""
        key, wake = (channel, payload), wake or tasks.Wake()
        self._subscribers.setdefault(key, set()).add(wake)
        try:
            yield wake
        finally:
            self._subscribers[key].discard(wake)
            if not self._subscribers[key]:
                del self._subscribers[key]

    def hear(self, channel: str, hear: Hear) -> None:
        """Call a function with the payload of each notification of a channel, from now on; with None when some may have been lost."""
        self._hearers.setdefault(channel, []).append(hear)

    async def _run(self, first: _Connection) -> None:
        connection: _Connection | None = first
        outage = tasks.Outage("notifications", pause_seconds_max=tasks.RECONNECT_SECONDS_MAX)
        while True:
            try:
                connection = connection or await self._connect()
                if outage.over():
                    self._wake_all()
                await self._deliver(connection)
            except DatabaseUnavailable as error:
                self._tell_all_hearers()
                await outage.failed(error)
            finally:
                if connection is not None:
                    await connection.close()
                connection = None

    async def _connect(self) -> _Connection:
        with _unavailable():
            connection: _Connection = await postgres_watch.Connection.connect(
                self._url,
                autocommit=True,
                application_name=self._application_name,
                connect_timeout=CONNECT_SECONDS_MAX,
            )
            for channel in self._channels:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        return connection

    async def _deliver(self, connection: _Connection) -> None:
        with _unavailable():
            async for found in connection.notifies():
                exactly = self._subscribers.get((found.channel, found.payload), set())
                for wake in exactly | self._subscribers.get((found.channel, None), set()):
                    wake.set()
                for hear in self._hearers.get(found.channel, ()):
                    hear(found.payload)

    def _wake_all(self) -> None:
        for wakes in self._subscribers.values():
            for wake in wakes:
                wake.set()
        self._tell_all_hearers()

    def _tell_all_hearers(self) -> None:
        for hearers in self._hearers.values():
            for hear in hearers:
                hear(None)


@contextlib.contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise DatabaseUnavailable(f"the database does not answer: {error}") from error
