"""Redis: events wake loops and carry nothing else, so losing them costs time only."""

from quarterdeck.wire import events
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


async def run_through(user) -> None:
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=15)
    await user.sessions.create(depends_on=[session])
    assert (await session.execute("6 * 7")).result == "42"
    await session.terminate()
    await session.reaches("TERMINATED", within=15)
