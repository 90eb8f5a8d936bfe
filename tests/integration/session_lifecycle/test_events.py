"""Server-sent events: all that happened and happens to a session, to its end; nothing missed, nothing twice, nothing left behind."""

import asyncio

import psycopg
import pytest

from quarterdeck.testing import raw_events
from quarterdeck.testing.raw import as_user
from shakeout.waiting.until import until

CONNECTIONS = 200
AT_ONCE = 20
SECONDS_MAX = 20
DATABASE_CONNECTIONS_MAX = 16


async def test_late_subscriber_sees_all_and_the_terminal_event(session, user, observe):
    """Behaviour 18: who joins late misses nothing. End a session, then subscribe; compare with the database, row for row."""
    await session.terminate()
    await session.reaches("TERMINATED", within=10)
    async with raw_events.follow(user, address(session)) as events, asyncio.timeout(SECONDS_MAX):
        seen = await events.rest()
    assert events.headers["content-type"] == "text/event-stream"
    *changes, end = seen
    recorded = rows(observe, session)
    assert [(each.id, each.data["to_status"]) for each in changes] == recorded
    assert [each.event for each in changes] == [
        "kernel" if each.data["kernel"] else "session" for each in changes
    ]
    assert (end.event, end.id, end.data["to_status"]) == ("end", 0, "TERMINATED")
    assert end.data["cause"] == "user-requested"


async def test_subscriber_sees_changes_as_they_happen(user, observe):
    """Behaviour 18: the stream is alive. Subscribe while the session waits; run it and end it; each event came in order."""
    session = await user.sessions.create()
    async with raw_events.follow(user, address(session)) as events, asyncio.timeout(SECONDS_MAX):
        seen = await events.until("RUNNING")
        await session.terminate()
        *changes, end = seen + await events.rest()
    assert [(each.id, each.data["to_status"]) for each in changes] == rows(observe, session)
    assert end.event == "end"


@pytest.mark.parametrize("by", ["header", "query"])
async def test_whoever_comes_back_gets_the_rest(session, user, observe, by):
    """Behaviour 18: resuming is exact. Come back with each id that there is, by `Last-Event-ID` and by `?after=`."""
    await session.terminate()
    await session.reaches("TERMINATED", within=10)
    recorded = rows(observe, session)
    for at, (seq, _) in enumerate(recorded[:-1]):
        query, header = (f"?after={seq}", None) if by == "query" else ("", str(seq))
        async with raw_events.follow(
            user, address(session) + query, last_event_id=header
        ) as events:
            *changes, end = await events.rest()
        assert [each.id for each in changes] == [seq for seq, _ in recorded[at + 1 :]]
        assert end.event == "end"


async def test_story_that_is_known_to_its_end_has_no_content(session, user, observe):
    """Behaviour 18: a browser stops to come back. Ask again with the last id of a session that has ended: 204."""
    await session.terminate()
    await session.reaches("TERMINATED", within=10)
    last, _ = rows(observe, session)[-1]
    async with raw_events.follow(user, address(session), last_event_id=str(last)) as events:
        assert events.status == 204


async def test_disconnect_leaves_nothing_in_the_manager(session, user, admin, observe):
    """Behaviour 18, #12681: hanging up leaks no task, no subscription, no socket. Connect and hang up 200 times, to both streams."""
    before = await admin.diagnostics()
    sockets = len(observe.descriptors("manager"))
    turns = asyncio.Semaphore(AT_ONCE)

    async def visit(number):
        path = address(session) if number % 2 else "/v1/events"
        async with turns, raw_events.follow(user, path, begun=number % 3 > 0) as events:
            if number % 3 == 2:
                await events.block()
            events.hang_up()

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for number in range(CONNECTIONS):
            group.create_task(visit(number))
    await until(
        admin.diagnostics,
        within=SECONDS_MAX,
        satisfied=lambda now: (
            (now.streams, now.subscriptions) == (0, before.subscriptions)
            and now.tasks < before.tasks + CONNECTIONS // 10
        ),
    )
    await until(
        lambda: len(observe.descriptors("manager")) - sockets,
        within=5,
        satisfied=lambda more: more < DATABASE_CONNECTIONS_MAX,
    )


async def test_sdk_misses_nothing_while_its_manager_restarts(private_cluster, user, observe):
    """Behaviour 18: the SDK comes back by itself. Kill the manager under a watcher, change the session meanwhile, start it again."""
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=10)
    seen = []
    running = asyncio.Event()

    async def watch():
        async for row in user.sessions.watch(session.id):
            seen.append(row)
            if row.to_status == "RUNNING" and row.kernel is None:
                running.set()

    async with asyncio.timeout(40), asyncio.TaskGroup() as group:
        group.create_task(watch())
        await running.wait()
        await private_cluster.kill("manager")
        observe.database.execute(
            "SELECT end_session(id, 'by-hand', 'test') FROM sessions WHERE id = %s", [session.id]
        )
        await private_cluster.start("manager")
    assert [(row.seq, row.to_status) for row in seen] == rows(observe, session)
    assert seen[-1].to_status == "TERMINATED"


async def test_raw_client_resumes_at_a_restarted_manager(private_cluster, user, observe):
    """Behaviour 18: ids outlive the manager. Restart it under a client of another make, who comes back with its last id."""
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=10)
    async with raw_events.follow(user, address(session)) as events, asyncio.timeout(SECONDS_MAX):
        seen = await events.until("RUNNING")
        await private_cluster.restart("manager")
        seen += await events.rest()
    await session.terminate()
    async with (
        raw_events.follow(user, address(session), last_event_id=str(seen[-1].id)) as events,
        asyncio.timeout(SECONDS_MAX),
    ):
        *more, end = await events.rest()
    assert [each.id for each in seen + more] == [seq for seq, _ in rows(observe, session)]
    assert end.data["to_status"] == "TERMINATED"


async def test_quiet_stream_says_that_it_lives(session, user, observe):
    """A client can tell silence from death. Follow a session to which nothing happens: comments come, which move nothing."""
    last, _ = rows(observe, session)[-1]
    path = f"{address(session)}?after={last}"
    async with raw_events.follow(user, path) as events, asyncio.timeout(SECONDS_MAX):
        hello, *quiet = [await events.block() for _ in range(3)]
    assert hello.retry > 0
    assert [(each.comment, each.id, each.event) for each in quiet] == [
        ("keep-alive", last, None),
        ("keep-alive", last, None),
    ]


async def test_lost_notification_delays_an_event_only(private_cluster, user, observe):
    """Behaviours 18 and 60: notifications only wake. Add rows to the history without one; both streams deliver all the same."""
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=10)
    last, _ = rows(observe, session)[-1]
    async with (
        raw_events.follow(user, address(session), last_event_id=str(last)) as one,
        raw_events.follow(user, "/v1/events", last_event_id=str(last)) as all_,
        asyncio.timeout(SECONDS_MAX),
    ):
        await one.block()
        await all_.block()
        (added,) = observe.rows(
            "INSERT INTO session_history (session_id, from_status, to_status, cause, actor)"
            " VALUES (%s, 'RUNNING', 'RUNNING', 'silent', 'test') RETURNING seq",
            session.id,
        )
        for events in (one, all_):
            event = await events.next()
            assert (event.id, event.data["cause"]) == (added["seq"], "silent")


async def test_stream_of_all_own_sessions_begins_now_and_is_ones_own(user, other_user, observe):
    """Everybody follows their own sessions. Subscribe, then let two users work; old and foreign changes do not appear."""
    old = await user.sessions.create()
    await old.reaches("RUNNING", within=10)
    async with raw_events.follow(user, "/v1/events") as events, asyncio.timeout(SECONDS_MAX):
        foreign = await other_user.sessions.create()
        new = await user.sessions.create()
        await foreign.terminate()
        await new.reaches("RUNNING", within=10)
        await new.terminate()
        seen = await events.until("TERMINATED")
    assert {each.data["session"] for each in seen} == {new.id}
    expected = rows(observe, new)
    assert [(each.id, each.data["to_status"]) for each in seen] == expected[: len(seen)]
    assert len(seen) >= len(expected) - 1


async def test_change_that_commits_late_is_not_passed_over(user, observe, platform):
    """Numbers are given before commits. Hold a change back in an open transaction while a later one commits: both come, in order."""
    slow, fast = await user.sessions.create(), await user.sessions.create()
    for each in (slow, fast):
        await each.reaches("RUNNING", within=10)
    url = platform.address("postgres")
    async with raw_events.follow(user, "/v1/events") as events, asyncio.timeout(SECONDS_MAX):
        with psycopg.connect(url, application_name="oracle") as held:
            end(held, slow)
            end(observe.database, fast)
            await fast.reaches("TERMINATED", within=10)
            held.commit()
        seen = await events.until("TERMINATED") + await events.until("TERMINATED")
    ids = [each.id for each in seen]
    assert ids == sorted(set(ids))
    assert {each.data["session"] for each in seen} == {slow.id, fast.id}
    first = next(each for each in seen if each.data["to_status"] == "TERMINATING")
    assert first.data["session"] == slow.id


async def test_number_that_was_given_before_its_transaction_began_is_waited_for(
    private_cluster, user, observe
):
    """PostgreSQL gives a row its number before the transaction has one. Stop a writer between the two while a later change commits: both come."""
    slow, fast = await user.sessions.create(), await user.sessions.create()
    for each in (slow, fast):
        await each.reaches("RUNNING", within=10)
    url = private_cluster.address("postgres")
    async with raw_events.follow(user, "/v1/events") as events, asyncio.timeout(SECONDS_MAX):
        with psycopg.connect(url, application_name="oracle") as held:
            seq = given(held)
            end(observe.database, fast)
            await fast.reaches("TERMINATED", within=10)
            write(held, slow, seq)
            held.commit()
        seen = await events.until("TERMINATED")
    ended = [each for each, _ in rows(observe, fast) if each > seq]
    assert [each.id for each in seen] == [seq, *ended]
    assert seen[0].data["session"] == slow.id


async def test_bad_wishes_are_refused_by_name(session, user, other_user):
    """Bad input is named and opens no stream: ids of nobody, of others, positions that are no numbers."""
    nobody = "0198c0de-0000-7000-8000-00000000dead"
    async with as_user(user) as send:
        for path, headers, expected in (
            (f"/v1/sessions/{nobody}/events", {}, (404, "session-not-found", None)),
            ("/v1/sessions/nonsense/events", {}, (400, "invalid-field", "id")),
            (f"{address(session)}?after=-1", {}, (400, "invalid-field", "after")),
            (f"{address(session)}?since=1", {}, (400, "unknown-field", "since")),
            (address(session), {"Last-Event-ID": "x"}, (400, "invalid-field", "Last-Event-ID")),
            ("/v1/events", {"Last-Event-ID": "9" * 40}, (400, "invalid-field", "Last-Event-ID")),
        ):
            answer = await send("GET", path, changed=headers)
            assert (answer.status, answer.code, answer.field) == expected
    async with as_user(other_user) as send:
        answer = await send("GET", address(session))
    assert (answer.status, answer.code) == (404, "session-not-found")
    async with as_user(user) as send:
        answer = await send("GET", "/v1/diagnostics")
    assert (answer.status, answer.code) == (403, "forbidden")


def address(session):
    return f"/v1/sessions/{session.id}/events"


def rows(observe, session):
    found = observe.rows(
        "SELECT seq, to_status FROM session_history WHERE session_id = %s ORDER BY seq", session.id
    )
    return [(row["seq"], row["to_status"]) for row in found]


def end(connection, session):
    connection.execute("SELECT end_session(%s, 'by-hand', 'test')", [session.id])


def given(connection):
    """Get as far as whoever adds to the history has come when they have a number and nothing else."""
    connection.execute("LOCK TABLE session_history IN ROW EXCLUSIVE MODE")
    return connection.execute("SELECT nextval('session_history_seq_seq')").fetchone()[0]


def write(connection, session, seq):
    connection.execute(
        "INSERT INTO session_history (seq, session_id, from_status, to_status, cause, actor)"
        " VALUES (%s, %s, 'RUNNING', 'RUNNING', 'late', 'test')",
        [seq, session.id],
    )
