"""Placement in the whole platform: no slot is given twice, no agent holds up another, and a manager that dies in between makes no second kernel."""

import asyncio

import pytest

from quarterdeck.testing.racing import at_once
from shakeout.links.behaviour import Behaviour
from shakeout.waiting.until import until

CONVERGED_SECONDS_MAX = 30
SMALL = {"cpu": 1, "memory_mib": 64}


def statuses(observe, user):
    """How many sessions of a user there are by status."""
    rows = observe.rows(
        "SELECT status, count(*) FROM sessions WHERE owner_id = %s GROUP BY status", user.id
    )
    return {row["status"]: row["count"] for row in rows}


async def settled(observe, user, wanted):
    """Wait until a user has so many sessions in these states."""
    await until(
        lambda: statuses(observe, user),
        within=CONVERGED_SECONDS_MAX,
        satisfied=lambda now: {status: now.get(status, 0) for status in wanted} == wanted,
    )


async def test_twenty_creates_at_once_for_five_slots_give_five(private_cluster, user, observe):
    """Behaviour 25: exactly as many run as there is room for, never more. Leave five cores, race 20 creates; end them in fives."""
    filler = await user.sessions.create(slots={"cpu": 3, "memory_mib": 64})
    await filler.reaches("RUNNING", within=10)
    await at_once(lambda _: user.sessions.create(slots=SMALL), times=20)
    for left in (15, 10, 5, 0):
        await settled(observe, user, {"RUNNING": 6, "PENDING": left})
        assert observe.slots_in_use() == (8, 6 * 64)
        assert len(observe.live_kernels()) == 6
        for view in await user.sessions.list(status="RUNNING"):
            if view.id != filler.id:
                await (await user.sessions.get(view.id)).terminate()
    most = observe.value(
        "SELECT max(used) FROM (SELECT (SELECT sum(cpu) FROM allocations o WHERE o.allocated_at <= a.allocated_at"
        " AND (o.freed_at IS NULL OR o.freed_at > a.allocated_at)) AS used FROM allocations a) AS at_times"
    )
    assert most == 8


@pytest.mark.links
@pytest.mark.cluster(agent=2)
async def test_agent_that_does_not_answer_holds_up_no_other(private_cluster, user, observe):
    """Behaviour 44: a slow agent does not block others. Hold what the manager sends to one of two; what is on the other runs meanwhile."""
    link = private_cluster.links.link("manager", "agent-1")
    await link.set(Behaviour.deaf_target())
    sessions = [await user.sessions.create(slots=SMALL) for _ in range(12)]
    for session in sessions:
        await session.reaches("SCHEDULED", within=10)
    on = {session.id: (await session.refresh()).agent for session in sessions}
    assert set(on.values()) == {"agent-1", "agent-2"}
    async with asyncio.timeout(10):
        for session in sessions:
            if on[session.id] == "agent-2":
                await session.reaches("RUNNING", within=10)
                assert (await session.execute("6 * 7")).result == "42"
    stuck = [session for session in sessions if on[session.id] == "agent-1"]
    assert {str((await session.refresh()).status) for session in stuck} == {"CREATING"}
    await link.restore()
    for session in stuck:
        await session.reaches("RUNNING", within=CONVERGED_SECONDS_MAX)
    assert len(observe.live_kernels()) == len(sessions)


@pytest.mark.links
async def test_manager_killed_between_the_create_and_its_commit_makes_one_kernel(
    private_cluster, user, observe
):
    """Behaviour 59: reconciled, one kernel. Lose the agent's answers, kill the manager once the kernel lives, start it again."""
    link = private_cluster.links.link("manager", "agent")
    await link.set(Behaviour.deaf_source())
    session = await user.sessions.create()
    (kernel,) = await until(observe.live_kernels, within=10)
    assert (await session.refresh()).status == "CREATING"
    pids = observe.kernel_pids(kernel)
    await private_cluster.kill("manager")
    await link.restore()
    await private_cluster.start("manager")
    await session.reaches("RUNNING", within=CONVERGED_SECONDS_MAX)
    assert observe.live_kernels() == [kernel]
    assert observe.kernel_pids(kernel) == pids
    assert observe.slots_in_use() == (1, 256)
    steps = [to for _, to in observe.history(session.id)]
    assert steps == ["PENDING", "SCHEDULED", "CREATING", "RUNNING"]
