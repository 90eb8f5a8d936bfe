"""What the database itself guarantees, whatever the managers do: legal steps, slots freed once, unique names, isolation."""

import psycopg
import pytest

from quarterdeck.testing.racing import at_once, split
from quarterdeck.wire.states import SessionStatus
from shakeout.waiting.until import until


async def test_illegal_transition_is_refused_by_the_database(user, observe):
    """No code path can make an illegal step. Try every state that the database does not name as a next one."""
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=10)
    legal = {
        row["to_status"]
        for row in observe.rows("SELECT unnest(session_steps('RUNNING')) AS to_status")
    }
    assert legal == {"TERMINATING", "RESTARTING"}
    steps = observe.history(session.id)
    for status in ({*SessionStatus, "NONSENSE"} - legal) - {"RUNNING"}:
        with pytest.raises(psycopg.DatabaseError, match="no legal transition") as refusal:
            observe.rows(
                "UPDATE sessions SET status = %s WHERE id = %s RETURNING id", status, session.id
            )
        assert refusal.value.sqlstate == "QD001"
    assert observe.history(session.id) == steps
    assert (await session.refresh()).status == "RUNNING"


async def test_freed_slots_cannot_be_freed_or_taken_again(user, observe):
    """Slots come back exactly once. Terminate, then write to the freed allocation by hand."""
    session = await user.sessions.create(slots={"cpu": 2, "memory_mib": 128})
    await session.reaches("RUNNING", within=10)
    assert observe.slots_in_use(session.id) == (2, 128)
    kernel = observe.kernel(session.id)
    await session.terminate()
    await session.reaches("TERMINATED", within=10)
    assert observe.slots_in_use(session.id) == (0, 0)
    for change in ("freed_at = now()", "freed_at = NULL", "cpu = 1"):
        with pytest.raises(psycopg.DatabaseError, match="freed already") as refusal:
            observe.rows(
                f"UPDATE allocations SET {change} WHERE kernel_id = %s RETURNING kernel_id", kernel
            )
        assert refusal.value.sqlstate == "QD002"


async def test_history_holds_every_step_once_with_cause_and_actor(user, observe):
    """History is written by the database. Compare it with the legal chain, and look at cause, actor and time of each row."""
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=10)
    await session.terminate()
    await session.reaches("TERMINATED", within=10)
    states = [to for _, to in observe.history(session.id)]
    chain = ["PENDING", "SCHEDULED", "CREATING", "RUNNING", "TERMINATING", "TERMINATED"]
    assert states == chain
    rows = observe.rows(
        "SELECT cause, actor, at FROM session_history WHERE session_id = %s ORDER BY seq",
        session.id,
    )
    assert all(row["cause"] and row["actor"] for row in rows)
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    kernel_states = observe.rows(
        "SELECT to_status FROM session_history WHERE session_id = %s AND kernel_id IS NOT NULL"
        " ORDER BY seq",
        session.id,
    )
    assert [row["to_status"] for row in kernel_states] == chain[1:]


async def test_uncommitted_change_is_invisible_and_leaves_no_trace(user, observe):
    """Services see committed data only. Hold an uncommitted rename open beside the API, then roll it back."""
    session = await user.sessions.create(name="steady")
    await session.reaches("RUNNING", within=10)
    with psycopg.connect(observe.database.info.dsn) as elsewhere:
        elsewhere.execute("UPDATE sessions SET name = 'restless' WHERE id = %s", (session.id,))
        assert (await user.sessions.get("steady")).id == session.id
        assert (await session.execute("1 + 1")).result == "2"
        elsewhere.rollback()
    assert observe.value("SELECT name FROM sessions WHERE id = %s", session.id) == "steady"


async def test_one_of_many_simultaneous_creations_gets_the_name(user, observe):
    """A name is unique among a user's live sessions. Ten requests race for it; exactly one row may exist."""
    outcomes = await at_once(lambda _: user.sessions.create(name="only-one"), times=10)
    made, refused = split(outcomes)
    assert len(made) == 1
    assert refused == ["session-name-taken"] * 9
    assert observe.value("SELECT count(*) FROM sessions WHERE owner_id = %s", user.id) == 1


async def test_simultaneous_creations_never_give_away_more_slots_than_there_are(user, observe):
    """Twelve sessions of 3 cores race for an agent of 8. At no time may more than 8 be given away; two run, none is lost."""
    outcomes = await at_once(lambda _: user.sessions.create(slots={"cpu": 3}), times=12)
    sessions, refused = split(outcomes)
    assert (len(sessions), refused) == (12, [])
    await until(lambda: observe.live_kernels(), within=10, satisfied=lambda live: len(live) == 2)
    states = [(await session.refresh()).status for session in sessions]
    assert states.count("PENDING") == 10
    assert observe.slots_in_use()[0] == 6
    most = observe.value(
        "SELECT max(together) FROM (SELECT sum(other.cpu) AS together FROM allocations AS one"
        " JOIN allocations AS other ON other.agent_id = one.agent_id"
        " AND other.allocated_at <= one.allocated_at"
        " AND (other.freed_at IS NULL OR other.freed_at > one.allocated_at) GROUP BY one.kernel_id) AS sums"
    )
    assert most <= 8
