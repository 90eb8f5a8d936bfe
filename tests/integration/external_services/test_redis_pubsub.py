"""Redis: events wake loops and carry nothing else, so losing them costs time only."""

import os
import signal

import pytest

from quarterdeck.wire import events
from shakeout.faults import lifecycle
from shakeout.faults.process import Pause
from shakeout.waiting.until import until

KINDS = {"kernel-changed", "session-changed", "agent-changed"}


async def test_events_carry_ids_and_nothing_else(user, observe):
    """The stream holds kind and id. Run a session through for which another waits, look at each entry since, which may come after the answer: nobody is told for nothing."""
    last = observe.redis.xrevrange(events.STREAM, count=1)
    session = await user.sessions.create(name="quiet", environment={"TOKEN": "s3cr3t"})
    await session.reaches("RUNNING", within=10)
    waiting = await user.sessions.create(name="waiting", depends_on=[session])
    await session.execute("print('private')")
    await session.terminate()
    await session.reaches("TERMINATED", within=10)
    since = f"({last[0][0]}" if last else "-"

    def told():
        return [fields for _, fields in observe.redis.xrange(events.STREAM, min=since)]

    await until(
        lambda: {fields["id"] for fields in told()},
        within=10,
        describe="both sessions to be told of",
        satisfied=lambda ids: {session.id, waiting.id} <= ids,
    )
    assert all(set(fields) == {"kind", "id"} and fields["kind"] in KINDS for fields in told())


async def test_stream_is_bounded(observe):
    """A stream that nobody trims would grow for ever. Its length stays near what the platform says."""
    assert observe.redis.xlen(events.STREAM) <= 2 * events.STREAM_ENTRIES_MAX


async def test_lost_events_cost_time_only(private_cluster, user, observe):
    """The database is the truth. Empty Redis again and again while sessions come and go; each one arrives."""
    for _ in range(5):
        observe.redis.flushall()
        session = await user.sessions.create()
        observe.redis.flushall()
        await session.reaches("RUNNING", within=10)
        await session.terminate()
        observe.redis.flushall()
        await session.reaches("TERMINATED", within=10)
    assert observe.slots_in_use() == (0, 0)


async def test_invented_events_change_nothing(user, observe):
    """An event is no command. Send kinds, ids and shapes that nobody sends; session and slots stay as they are."""
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=10)
    before = observe.history(session.id)
    for fields in (
        {"kind": "kernel-changed", "id": observe.kernel(session.id)},
        {"kind": "session-changed", "id": session.id},
        {"kind": "agent-changed", "id": "nobody"},
        {"kind": "self-destruct", "id": session.id},
        {"unrelated": "x"},
    ):
        observe.redis.xadd(events.STREAM, fields)
    assert (await session.execute("6 * 7")).result == "42"
    assert observe.history(session.id) == before
    assert observe.slots_in_use(session.id) == (1, 256)


async def test_platform_works_through_an_outage_of_redis(private_cluster, user, observe):
    """Redis is no single point of failure. Stop it, run a whole session without it, start it, run another; of that is told, as one waits for it."""
    await private_cluster.stop("redis")
    await run_through(user)
    await private_cluster.start("redis")
    await run_through(user)
    await until(lambda: observe.redis.exists(events.STREAM), within=10)


def taken(redis):
    """Something else has the name of the stream."""
    redis.delete(events.STREAM)
    redis.set(events.STREAM, "something else")


def full(redis):
    """No memory is left."""
    redis.config_set("maxmemory-policy", "noeviction")
    redis.config_set("maxmemory", "1")


def silent(redis):
    """No command is answered for a while."""
    redis.client_pause(8_000)


def lone(redis):
    """Too few replicas: no write is taken."""
    redis.config_set("min-replicas-to-write", "3")


@pytest.mark.parametrize("trouble", [taken, full, silent, lone])
async def test_platform_works_whatever_redis_says(private_cluster, user, observe, trouble):
    """Behaviour 65: nothing but time is lost. Let Redis refuse all that is asked of it, or answer nothing; run a whole session."""
    trouble(observe.redis)
    await run_through(user)
    await run_through(user)


async def test_manager_that_falls_behind_the_stream_misses_nothing(private_cluster, user, observe):
    """Behaviour 65: a slow reader. Let a manager stand still while more comes by than the stream keeps, a dead kernel's word among it; afterwards that is known."""
    session = await user.sessions.create(wait=10)
    (first, *_) = observe.kernel_pids(observe.kernel(session.id))
    async with lifecycle.injected(Pause("manager"), private_cluster, within=10):
        flood(observe.redis, 1)  # what it waits for has come: it reads no further
        os.kill(first, signal.SIGKILL)
        await until(
            lambda: "kernel-changed" in str(observe.redis.xrange(events.STREAM)), within=10
        )
        flood(observe.redis, 3 * events.STREAM_ENTRIES_MAX)
        assert "kernel-changed" not in str(observe.redis.xrange(events.STREAM))
    await session.reaches("TERMINATED", within=15)
    assert observe.slots_in_use() == (0, 0)
    assert observe.redis.memory_usage(events.STREAM) < 1024 * 1024


def flood(redis, count):
    for number in range(count):
        fields = {"kind": "x", "id": str(number)}
        redis.xadd(events.STREAM, fields, maxlen=events.STREAM_ENTRIES_MAX)


async def run_through(user) -> None:
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=15)
    await user.sessions.create(depends_on=[session])
    assert (await session.execute("6 * 7")).result == "42"
    await session.terminate()
    await session.reaches("TERMINATED", within=15)
