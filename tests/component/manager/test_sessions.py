"""A session's life with a real manager and database and agents that pretend."""

import psycopg
import pytest

from quarterdeck.client.errors import Refused, SessionEnded
from quarterdeck.infra import queries
from quarterdeck.manager.sessions import books, store
from quarterdeck.testing import manager_fixtures, racing
from quarterdeck.wire.states import SessionStatus

LIFE = [
    (None, "PENDING"),
    ("PENDING", "SCHEDULED"),
    ("SCHEDULED", "CREATING"),
    ("CREATING", "RUNNING"),
    ("RUNNING", "TERMINATING"),
    ("TERMINATING", "TERMINATED"),
]


async def ended(session, within=5):
    """Wait for the end and return the reason."""
    try:
        await session.reaches("TERMINATED", within=within)
    except SessionEnded:
        assert (await session.refresh()).status is SessionStatus.CANCELLED
    return (await session.refresh()).reason


async def test_session_lives_through_every_state_once(cluster, user, observe):
    """Nothing is skipped or repeated. Create, run, execute, terminate; read the history in the database."""
    async with manager_fixtures.agent(cluster) as agent:
        session = await user.sessions.create(name="mine")
        await session.reaches("RUNNING", within=5)
        assert observe.slots_in_use(session.id) == (1, 256)
        assert (await session.execute("print(1)")).stdout == "print(1)"
        assert await session.logs() == f"log of {observe.kernel(session.id)}"
        await session.terminate()
        assert await ended(session) == "user-requested"
    assert observe.history(session.id) == LIFE
    assert observe.slots_in_use(session.id) == (0, 0)
    assert agent.kernels == {}


async def test_flushing_a_session_brings_it_on_disk(user, observe):
    """A lock is a write, and its commit flushes what was before. Write without a flush, then flush a session; the log of the database is on disk so far."""
    session = await user.sessions.create()
    sql = queries.load("quarterdeck.manager.sessions")["flush_session"].encode()
    with psycopg.connect(observe.database.info.dsn, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute("UPDATE sessions SET detail = 'x' WHERE id = %s", [session.id])
        ((written,),) = connection.execute("SELECT pg_current_wal_insert_lsn()").fetchall()
        connection.execute("SET synchronous_commit = on")
        assert connection.execute(sql, {"id": session.id}).fetchone() == (True,)
        flushed = connection.execute("SELECT pg_current_wal_flush_lsn() >= %s", [written])
        assert flushed.fetchone() == (True,)
        nobody = connection.execute(sql, {"id": user.id})
        assert nobody.fetchone() is None


async def test_names_are_unique_among_live_sessions(cluster, user, observe):
    """One of many creates with one name wins. Race them, then take the name again after the end."""
    made = await racing.at_once(lambda _: user.sessions.create(name="same"), times=8)
    (session,), refused = racing.split(made)
    assert refused == ["session-name-taken"] * 7
    await session.terminate()
    again = await user.sessions.create(name="same")
    await again.terminate()
    assert await ended(again) == "user-requested"


async def test_sessions_without_a_name_do_not_collide(cluster, user, observe):
    """No name is no name. Create two."""
    for _ in range(2):
        await user.sessions.create()
    assert [view.name for view in await user.sessions.list()] == [None, None]


async def test_waiting_session_is_cancelled_and_never_placed(cluster, user, observe):
    """A cancelled session gets no kernel. Cancel it while no agent is there, then bring one."""
    session = await user.sessions.create()
    await session.terminate()
    async with manager_fixtures.agent(cluster) as agent:
        running = await user.sessions.create()
        await running.reaches("RUNNING", within=5)
        assert len(agent.kernels) == 1
    assert observe.history(session.id) == [(None, "PENDING"), ("PENDING", "CANCELLED")]


async def test_termination_is_idempotent(cluster, user, observe):
    """Ending twice ends once. Terminate many times at once, and again afterwards."""
    async with manager_fixtures.agent(cluster) as agent:
        session = await user.sessions.create()
        await session.reaches("RUNNING", within=5)
        await racing.at_once(lambda _: session.terminate(), times=8)
        await ended(session)
        await session.terminate()
        assert [name for name, _ in agent.calls].count("create") == 1
    assert observe.history(session.id) == LIFE


async def test_session_terminated_while_its_kernel_is_made_leaves_nothing(cluster, user, observe):
    """No kernel outlives its session. Hold the agent's answer to the create, terminate, let go."""
    async with manager_fixtures.agent(cluster) as agent:
        with agent.held():
            session = await user.sessions.create()
            await agent.arrived.wait()
            await session.terminate()
        await ended(session)
        assert agent.kernels == {}
    assert observe.slots_in_use(session.id) == (0, 0)


async def test_kernel_that_cannot_be_made_ends_the_session(cluster, user, observe):
    """A refusal is final and frees the slots. Let the agent refuse."""
    async with manager_fixtures.agent(cluster) as agent:
        agent.refuses_creates = True
        session = await user.sessions.create()
        assert await ended(session) == "kernel-failed"
    assert observe.slots_in_use(session.id) == (0, 0)


async def test_dead_kernel_ends_its_session(cluster, user, observe):
    """A session does not outlive its kernel. Kill the kernel and tell nobody."""
    async with manager_fixtures.agent(cluster) as agent:
        session = await user.sessions.create()
        await session.reaches("RUNNING", within=5)
        agent.kill(observe.kernel(session.id))
        assert await ended(session, within=10) == "self-terminated"
        assert agent.kernels == {}


async def test_session_that_has_ended_executes_nothing(cluster, user, observe):
    """The state is told. Execute in a session that waits."""
    session = await user.sessions.create()
    with pytest.raises(Refused) as refused:
        await session.execute("1")
    assert (refused.value.status, refused.value.code) == (409, "session-not-running")


async def test_list_shows_live_ones_unless_asked(cluster, user, observe):
    """Past sessions are out of the way. List live ones, all, and by state."""
    past = await user.sessions.create()
    await past.terminate()
    live = await user.sessions.create()
    assert [view.id for view in await user.sessions.list()] == [live.id]
    assert [view.id for view in await user.sessions.list(ended=True)] == [live.id, past.id]
    assert [view.id for view in await user.sessions.list(status="CANCELLED")] == [past.id]


async def test_kernel_that_fell_behind_its_session_catches_up(cluster, user, observe):
    """No session is stuck for ever. Move a running session alone by SQL."""
    async with manager_fixtures.agent(cluster) as agent:
        session = await user.sessions.create()
        await session.reaches("RUNNING", within=5)
        observe.database.execute(
            "UPDATE sessions SET status = 'TERMINATING', status_cause = 'sql', status_actor = 'sql',"
            " reason = 'sql' WHERE id = %s",
            [session.id],
        )
        assert await ended(session) == "sql"
        assert agent.kernels == {}


async def test_agent_that_is_full_is_asked_again(cluster, user, observe):
    """A refusal that passes ends nobody. Let the agent be full for its first answer."""
    async with manager_fixtures.agent(cluster) as agent:
        agent.full_for = 1
        session = await user.sessions.create()
        await session.reaches("RUNNING", within=5)
        assert [name for name, _ in agent.calls] == ["create", "create"]


async def test_agent_that_is_silent_keeps_no_overdue_session_of_others_out(
    private_cluster, user, observe, database, monkeypatch
):
    """Whose agent answers is ended in time. Have room for two where three are overdue on one agent, and then one on another; no manager looks meanwhile."""
    monkeypatch.setattr(store, "OVERDUE_ROWS_MAX", 2)
    batch = {"type": "batch", "command": ["sleep", "100"], "batch_seconds": 1000}
    silent = manager_fixtures.agent(private_cluster, "silent", cpu=3)
    async with silent, manager_fixtures.agent(private_cluster, "other", cpu=1):
        made = [await user.sessions.create(**batch) for _ in range(4)]
        for session in made:
            await session.reaches("RUNNING", within=5)
        await private_cluster.kill("manager")
        observe.database.execute(
            "UPDATE sessions s SET expires_at = now() - CASE k.agent_id WHEN 'silent' THEN interval '9 s' ELSE interval '1 s' END"
            " FROM kernels k WHERE k.session_id = s.id"
        )
        found = await store.SessionStore(database, "test").overdue()
    assert {one.command and one.command.agent for one in found} == {"silent", "other"}


async def test_kernels_that_stay_due_keep_no_other_out(
    private_cluster, user, observe, database, monkeypatch
):
    """All that need something have their turn. Have room for two where three are to end; no manager looks meanwhile."""
    monkeypatch.setattr(books, "DUE_ROWS_MAX", 2)
    async with manager_fixtures.agent(private_cluster, cpu=3):
        made = [await user.sessions.create() for _ in range(3)]
        for session in made:
            await session.reaches("RUNNING", within=5)
        await private_cluster.kill("manager")
        for session in made:
            observe.database.execute("SELECT end_session(%s, 'sql', 'sql')", [session.id])
        mine = books.LifecycleBooks(database, "test")
        turns = [{one.session for one in await mine.due()} for _ in range(3)]
    assert [len(turn) for turn in turns] == [2, 1, 2]
    assert turns[0] | turns[1] == {session.id for session in made}
