"""The Redis stream of events: publishing that never holds up its caller, and a reader that survives Redis.

Events only wake loops, so both sides are best effort: what is lost is made up for by the loops' own pace.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import redis.asyncio as driver
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from quarterdeck.base import tasks
from quarterdeck.infra.errors import RedisUnavailable
from quarterdeck.wire import events

BLOCK_SECONDS = 5.0
ANSWER_SECONDS_MAX = 2.0
BATCH_ENTRIES_MAX = 200
UNSENT_ENTRIES_MAX = 1000
CLOSE_SECONDS_MAX = 0.5

_log = logging.getLogger(__name__)


class Events:
    """The stream of events on one Redis."""

    def __init__(self, writer: driver.Redis, reader: driver.Redis) -> None:
        self._writer = writer
        self._reader = reader
        self._unsent: dict[events.Event, None] = {}
        self._wake = tasks.Wake()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator["Events"]:
        """Own connections for the time of a block. Raises `RedisUnavailable` if Redis does not answer at first."""
        async with (
            _client(url, ANSWER_SECONDS_MAX) as writer,
            _client(url, BLOCK_SECONDS + ANSWER_SECONDS_MAX) as reader,
        ):
            self = cls(writer, reader)
            await self.check()
            async with tasks.background() as background:
                background.start(tasks.every(60, self._flush, name="publish", wake=self._wake))
                yield self
            await self._flush_last()

    def publish(self, event: events.Event) -> None:
        """Send an event soon. Returns at once; equal events not yet sent become one; the oldest of too many is dropped."""
        while len(self._unsent) >= UNSENT_ENTRIES_MAX:
            del self._unsent[next(iter(self._unsent))]
        self._unsent[event] = None
        self._wake.set()

    async def wakes(self) -> AsyncGenerator[events.Event | None, None]:
        """Give events as they come, for ever. None, first and after a read has failed, means: look at everything."""
        last = None
        outage = tasks.Outage("events", pause_seconds_max=tasks.RECONNECT_SECONDS_MAX)
        while True:
            try:
                if last is None:
                    last = await self._position()
                    outage.over()
                    yield None
                entries = await self._read(last)
            except (RedisError, OSError) as error:
                last = None
                await outage.failed(_unavailable(error))
                continue
            for id_, fields in entries:
                last = id_
                if (event := events.parse(fields)) is not None:
                    yield event

    async def check(self) -> None:
        """Ask Redis for an answer. Raises `RedisUnavailable`."""
        try:
            await self._writer.exists(events.STREAM)
        except (RedisError, OSError) as error:
            raise _unavailable(error) from error

    async def _position(self) -> str:
        newest: Any = await self._reader.xrevrange(events.STREAM, count=1)
        return str(newest[0][0]) if newest else "0-0"

    async def _read(self, last: str) -> list[tuple[str, dict[str, str]]]:
        streams: Any = await self._reader.xread(
            {events.STREAM: last}, count=BATCH_ENTRIES_MAX, block=int(BLOCK_SECONDS * 1000)
        )
        return [entry for _, entries in streams or () for entry in entries]

    async def _flush(self) -> None:
        while self._unsent:
            batch = list(self._unsent)[:BATCH_ENTRIES_MAX]
            pipeline = self._writer.pipeline(transaction=False)
            for event in batch:
                fields: Any = event.fields()
                _ = pipeline.xadd(events.STREAM, fields, maxlen=events.STREAM_ENTRIES_MAX)
            for event in batch:
                del self._unsent[event]
            try:
                await pipeline.execute()
            except (RedisError, OSError) as error:
                raise _unavailable(error) from error

    async def _flush_last(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS_MAX):
                await self._flush()
        except (RedisUnavailable, TimeoutError) as error:
            _log.warning("events-dropped", extra={"error": str(error)})


def _unavailable(error: RedisError | OSError) -> RedisUnavailable:
    return RedisUnavailable(f"Redis does not answer: {error}")


@contextlib.asynccontextmanager
async def _client(url: str, answer_seconds_max: float) -> AsyncIterator[driver.Redis]:
    client = driver.Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=answer_seconds_max,
        socket_connect_timeout=ANSWER_SECONDS_MAX,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        yield client
    finally:
        await client.aclose()
