"""Waiting for history: woken by the database, answered at once, and nobody waits for a client that has gone."""

import asyncio

from quarterdeck.base import tasks
from quarterdeck.infra import http_server
from quarterdeck.testing import raw
from shakeout.waiting.until import until


async def test_change_made_past_the_manager_wakes_who_waits(cluster, user, observe):
    """The database itself tells. Wait by a long poll, change the session by SQL."""
    session = await user.sessions.create()
    (first,) = await session.history()
    wanted = f"/v1/sessions/{session.id}/history?after={first.seq}&wait=30"
    async with raw.as_user(user) as send, asyncio.timeout(4), asyncio.TaskGroup() as group:
        answer = group.create_task(send("GET", wanted))
        await user.users.me()
        observe.database.execute(
            "UPDATE sessions SET status = 'CANCELLED', status_cause = 'sql', status_actor = 'sql'"
            " WHERE id = %s",
            [session.id],
        )
    assert b'"cause":"sql"' in answer.result().body


async def test_many_wait_for_one_session(cluster, user, observe):
    """Waiters do not take each other's news. Let twenty wait, then end the session."""
    session = await user.sessions.create()
    (first,) = await session.history()
    wanted = f"/v1/sessions/{session.id}/history?after={first.seq}&wait=30"
    async with raw.as_user(user) as send, asyncio.timeout(8), asyncio.TaskGroup() as group:
        answers = [group.create_task(send("GET", wanted)) for _ in range(20)]
        await user.users.me()
        await session.terminate()
    assert all(b"CANCELLED" in answer.result().body for answer in answers)


async def test_wait_without_news_ends_in_time_with_nothing(cluster, user, observe):
    """Patience has an end. Wait a moment for a session that stays as it is."""
    session = await user.sessions.create()
    (first,) = await session.history()
    async with raw.as_user(user) as send:
        answer = await send("GET", f"/v1/sessions/{session.id}/history?after={first.seq}&wait=0.1")
    assert (answer.status, answer.body) == (200, b'{"items":[]}')


async def test_handler_learns_that_its_client_has_gone():
    """A waiter does not outlive its client. Hang up during a long poll."""
    arrived, ended = asyncio.Event(), asyncio.Event()

    async def poll(request):
        wake = tasks.Wake()
        with http_server.until_in_vain(request, wake) as in_vain:
            arrived.set()
            while not in_vain():
                await wake.wait(30)
        ended.set()
        return http_server.no_content()

    listener = http_server.listen("127.0.0.1:0")
    app = http_server.application([http_server.route("GET", "/poll", poll)])
    async with http_server.serve(app, listener), asyncio.timeout(5):
        _, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"GET /poll HTTP/1.1\r\nHost: x\r\n\r\n")
        await arrived.wait()
        writer.close()
        await writer.wait_closed()
        await ended.wait()


async def test_history_of_kernels_and_session_is_one_story(cluster, user, observe):
    """Rows after a sequence number are all there is to know. Follow by number, compare with everything."""
    session = await user.sessions.create()
    await session.terminate()
    everything = await until(session.history, satisfied=lambda rows: len(rows) == 2, within=5)
    followed, after = [], 0
    while rows := await session.history(after=after):
        followed += rows
        after = rows[-1].seq
    assert followed == everything
    assert [row.actor for row in followed] == [user.id, user.id]
