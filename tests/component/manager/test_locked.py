"""Locks in the database that somebody holds for long: whoever waits for one is answered in time, and nobody stands still with one."""

import asyncio
import contextlib
import json

import psycopg
import pytest

from quarterdeck.manager import locks
from quarterdeck.testing import manager_fixtures, raw
from quarterdeck.testing.folder_acts import outcome
from quarterdeck.testing.racing import at_once, split
from shakeout.waiting.errors import WaitTimedOut
from shakeout.waiting.until import until

ANSWERED_SECONDS_MAX = 25
"""Of a wait for a connection and one for a lock."""

MESSAGES_MAX = 40
HELD = """
    SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND objid = %s AND granted AND state = 'idle in transaction' AND application_name = 'manager-manager-1'
        AND state_change < now() - interval '0.5 seconds'
"""
CODE = json.dumps({"code": "1"}).encode()
SESSION = json.dumps({"image": "python:3.11", "name": "late"}).encode()


@contextlib.contextmanager
def locked(cluster, table):
    """Hold a table for the time of a block: nobody else may even look."""
    with psycopg.connect(cluster.address("postgres")) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield
        connection.rollback()


async def test_requests_for_what_is_locked_are_answered(private_cluster, user, observe):
    """Behaviour 62: nobody hangs. Hold the sessions' table, ask for all that needs it, also a hundred times at once; then let go."""
    async with manager_fixtures.agent(private_cluster), raw.as_user(user) as send:
        session = await user.sessions.create()
        await session.reaches("RUNNING", within=10)
        one = f"/v1/sessions/{session.id}"
        requests = [
            *[("GET", "/v1/sessions", b"")] * 100,
            *[
                ("GET", one, b""),
                ("GET", f"{one}/history?wait=1", b""),
                ("GET", f"{one}/logs", b""),
            ],
            *[("POST", f"{one}/execute", CODE), ("POST", "/v1/sessions", SESSION)],
            *[
                ("DELETE", one, b""),
                ("POST", f"{one}/restart", b""),
                ("GET", f"{one}/events", b""),
            ],
        ]
        with locked(private_cluster, "sessions"):
            async with asyncio.timeout(ANSWERED_SECONDS_MAX), asyncio.TaskGroup() as group:
                asked = [group.create_task(send(*request)) for request in reversed(requests)]
        answers = [task.result() for task in asked]
        assert {(one.status, one.code) for one in answers} == {(503, "unavailable")}
        assert observe.value("SELECT count(*) FROM sessions WHERE name = 'late'") == 0
        assert (await session.execute("1")).stdout == "1"
        made, refused = split(await at_once(lambda _: user.sessions.list(), times=50))
        assert (len(made), refused) == (50, [])


@pytest.mark.links
@pytest.mark.cluster(manager=2)
@pytest.mark.allows_log("idle-in-transaction", reason="the manager stands still in a transaction")
async def test_manager_that_stands_still_in_a_transaction_holds_up_no_other(
    private_cluster, admin, user, observe
):
    """Behaviours 58 and 62: a lock has an end. Stop a manager's message while it holds the lock of placement; the other manager places."""
    link = private_cluster.links.link("manager-1", "postgres")
    async with manager_fixtures.agent(private_cluster, "stub"):
        await until(lambda: observe.value("SELECT count(*) FROM agents"), within=10)
        other = manager_fixtures.signed_in(private_cluster, user.keypair, "manager-2")
        async with other as client, held_in(link, admin, observe):
            session = await client.sessions.create()
            await session.reaches("RUNNING", within=ANSWERED_SECONDS_MAX)
        assert (await session.refresh()).status == "RUNNING"


@contextlib.asynccontextmanager
async def held_in(link, admin, observe):
    """Have a manager stand still for the time of a block, with the lock of placement, in a drain that it was asked for."""
    for number in range(1, MESSAGES_MAX):
        async with link.trapped(number) as trap, asyncio.TaskGroup() as group:
            task = group.create_task(outcome(admin.agents.drain("stub")))
            if await stands_with_it(observe, task):
                yield
                await trap.deliver()
                return
            if await trap.sprung():
                await trap.deliver()
        await admin.agents.resume("stub")
    raise AssertionError("no message of a drain goes with the lock of placement")


async def stands_with_it(observe, task):
    """Whether a drain stands still with the lock; it may be done soon, or stand still without."""
    with contextlib.suppress(WaitTimedOut):
        await until(lambda: observe.value(HELD, locks.PLACEMENT) or task.done(), within=2)
    return observe.value(HELD, locks.PLACEMENT) > 0
