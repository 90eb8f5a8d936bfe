"""Sessions on agents with dummy kernels: what is ordered happens, and the platform gets over it."""

import asyncio

import pytest

from quarterdeck.testing import system as quarterdeck_system

SECONDS_MAX = 15
AGENTS = 4
SESSIONS = 30


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
