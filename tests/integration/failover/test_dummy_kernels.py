"""Sessions on agents with dummy kernels: what is ordered happens, and the platform gets over it."""

import asyncio

import pytest

from quarterdeck.testing import system as quarterdeck_system

SECONDS_MAX = 15
AGENTS = 4
SESSIONS = 30
HUNDRED = 100
MANY_SECONDS_MAX = 120


@pytest.fixture(scope="session")
def system():
    """Quarterdeck with dummy kernels."""
    return quarterdeck_system.dummies


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [('{"create_fails": "mount-failed"}', "kernel-failed"), ('{"dies_after_ms": 0}', None)],
)
async def test_kernel_that_fails_ends_its_session(user, observe, behaviour, reason):
    """A session ends with its kernel, for the reason that it had. Order a failed start, or a death; look at slots and history."""
    session = await user.sessions.create(environment={"QD_DUMMY": behaviour})
    await session.reaches("TERMINATED", within=SECONDS_MAX)
    assert (await session.refresh()).reason == (reason or "self-terminated")
    assert observe.slots_in_use(session.id) == (0, 0)
    assert observe.history(session.id)[-1] == ("TERMINATING", "TERMINATED")


@pytest.mark.cluster(agent=AGENTS)
async def test_many_sessions_run_on_many_dummies(private_cluster, user, observe):
    """A crowd comes, computes and goes. Make sessions on four agents at once, one in five slow to start; count slots before and after."""
    slow = {"QD_DUMMY": '{"create_ms": 300}'}

    async def live(number):
        session = await user.sessions.create(environment=slow if number % 5 == 0 else {})
        await session.reaches("RUNNING", within=SECONDS_MAX)
        assert (await session.execute(f"print({number})\n6 * 7")).result == "42"
        return session

    async with asyncio.TaskGroup() as group:
        made = [group.create_task(live(number)) for number in range(SESSIONS)]
    used = observe.rows("SELECT agent_id FROM allocations WHERE freed_at IS NULL")
    assert len(used) == SESSIONS
    assert len({row["agent_id"] for row in used}) == AGENTS
    for task in made:
        await task.result().terminate()
    for task in made:
        await task.result().reaches("TERMINATED", within=SECONDS_MAX)
    assert observe.slots_in_use() == (0, 0)


@pytest.mark.timeout(600)
@pytest.mark.cluster(agent=HUNDRED)
async def test_five_hundred_sessions_on_a_hundred_agents(private_cluster, user, observe):
    """A big platform on one machine. 500 sessions at once on 100 agents: each computes its own, none is given what is not there, all go."""

    async def live(number):
        session = await user.sessions.create()
        await session.reaches("RUNNING", within=MANY_SECONDS_MAX)
        assert (await session.execute(f"{number}\n6 * {number}")).result == str(6 * number)
        return session

    async with asyncio.TaskGroup() as group:
        made = [group.create_task(live(number)) for number in range(5 * HUNDRED)]
    sessions = [task.result() for task in made]
    assert len({session.id for session in sessions}) == 5 * HUNDRED
    used = observe.rows(
        "SELECT agent_id, sum(l.cpu) AS cpu, a.cpu AS capacity FROM allocations l JOIN agents a ON a.id = agent_id"
        " WHERE freed_at IS NULL GROUP BY agent_id, a.cpu"
    )
    assert sum(row["cpu"] for row in used) == 5 * HUNDRED
    assert all(row["cpu"] <= row["capacity"] for row in used)
    async with asyncio.TaskGroup() as group:
        for session in sessions:
            group.create_task(end(session))
    assert observe.slots_in_use() == (0, 0)
    assert (
        observe.value("SELECT count(*) FROM sessions WHERE status = 'TERMINATED'") == 5 * HUNDRED
    )
    steps = observe.rows(
        "SELECT session_id, count(*) AS steps FROM session_history WHERE kernel_id IS NULL GROUP BY session_id"
    )
    assert {row["steps"] for row in steps} == {6}  # each state once: from PENDING to TERMINATED


async def end(session):
    await session.terminate()
    await session.reaches("TERMINATED", within=MANY_SECONDS_MAX)
