"""Events reach readers, are never in the way of their sender, and survive restarts of Redis."""

import asyncio

import pytest

from quarterdeck.base import tasks
from quarterdeck.infra import redis
from quarterdeck.infra.errors import RedisUnavailable
from quarterdeck.wire.events import STREAM, STREAM_ENTRIES_MAX, Event, EventKind
from shakeout.waiting.until import until

WITHIN_SECONDS = 5


def kernel(id_):
    return Event(EventKind.KERNEL, str(id_))


def stream(cluster):
    return redis.Events.open(cluster.address("redis"))


async def first(wakes, wanted):
    """Read until an event comes."""
    async with asyncio.timeout(WITHIN_SECONDS):
        async for event in wakes:
            if event == wanted:
                return


async def test_reader_looks_at_everything_first_and_then_gets_events(private_cluster):
    async with stream(private_cluster) as writer, stream(private_cluster) as reader:
        wakes = reader.wakes()
        assert await anext(wakes) is None
        writer.publish(kernel(1))
        writer.publish(kernel(1))
        writer.publish(Event(EventKind.AGENT, "a"))
        assert await anext(wakes) == kernel(1)
        assert await anext(wakes) == Event(EventKind.AGENT, "a")
        await wakes.aclose()


async def test_events_before_the_reader_are_not_told(private_cluster):
    async with stream(private_cluster) as writer:
        writer.publish(kernel(1))
    async with stream(private_cluster) as events:
        wakes = events.wakes()
        assert await anext(wakes) is None
        events.publish(kernel(2))
        assert await anext(wakes) == kernel(2)
        await wakes.aclose()


async def test_what_is_published_last_is_sent_at_the_end(private_cluster):
    async with stream(private_cluster) as reader:
        wakes = reader.wakes()
        assert await anext(wakes) is None
        async with stream(private_cluster) as writer:
            writer.publish(kernel("last"))
        await first(wakes, kernel("last"))
        await wakes.aclose()


async def test_stream_and_backlog_are_bounded(private_cluster):
    async with stream(private_cluster) as events:
        for turn in range(3):
            for number in range(redis.UNSENT_ENTRIES_MAX + 100):
                events.publish(kernel(f"{turn}.{number}"))
            assert len(events._unsent) == redis.UNSENT_ENTRIES_MAX
            await events._flush()
        assert await events._writer.xlen(STREAM) <= STREAM_ENTRIES_MAX + 200


async def test_restart_is_survived_and_told(private_cluster):
    async with stream(private_cluster) as events, asyncio.timeout(WITHIN_SECONDS):
        wakes = events.wakes()
        assert await anext(wakes) is None
        async with asyncio.TaskGroup() as group:
            told = group.create_task(anext(wakes))
            await private_cluster.stop("redis")
            events.publish(kernel("while it is away"))
            with pytest.raises(RedisUnavailable):
                await events.check()
            await private_cluster.start("redis")
        assert told.result() is None
        events.publish(kernel("after"))
        await first(wakes, kernel("after"))
        await events.check()
        await wakes.aclose()


async def test_redis_that_is_away_is_asked_often(private_cluster, pauses):
    async with stream(private_cluster) as events, asyncio.timeout(2 * WITHIN_SECONDS):
        wakes = events.wakes()
        assert await anext(wakes) is None
        async with asyncio.TaskGroup() as group:
            told = group.create_task(anext(wakes))
            await private_cluster.stop("redis")
            await until(lambda: len(pauses) >= 6, within=WITHIN_SECONDS)
            await private_cluster.start("redis")
        assert told.result() is None
        await wakes.aclose()
    assert max(pauses) <= tasks.RECONNECT_SECONDS_MAX


async def test_absent_redis_is_unavailable(tmp_path):
    with pytest.raises(RedisUnavailable):
        await redis.Events.open(f"unix://{tmp_path}/none").__aenter__()
