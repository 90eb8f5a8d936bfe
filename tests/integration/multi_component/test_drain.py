"""Agents that are drained: nothing new comes, what is there goes on and ends normally, or at a deadline with that reason."""

import asyncio

import pytest

from quarterdeck.client.errors import Refused

SECONDS_MAX = 20

pytestmark = pytest.mark.cluster(agent=2)


async def running(user, **given):
    session = await user.sessions.create(**given)
    await session.reaches("RUNNING", within=SECONDS_MAX)
    return session


async def test_drained_agent_gets_nothing_new_and_keeps_what_it_has(
    private_cluster, user, admin, observe
):
    """Behaviour 26: an unschedulable agent gets nothing, its sessions go on and end normally.

    Drain an agent with a session; fill the other; what is asked for beyond that waits; restart the agent, it stays drained; take it back.
    """
    here = await running(user, slots={"cpu": 1})
    drained = (await here.refresh()).agent
    view = await admin.agents.drain(drained)
    assert (view.schedulable, view.kernels, view.drain_deadline) == (False, 1, None)
    elsewhere = [await running(user, slots={"cpu": 4}) for _ in range(2)]
    assert {(await one.refresh()).agent for one in elsewhere} == {other(private_cluster, drained)}
    waiting = await user.sessions.create(slots={"cpu": 4})
    assert (await here.execute("6 * 7")).result == "42"
    await private_cluster.restart(drained)
    assert (await here.execute("6 * 7")).result == "42"
    assert {one.id: one.schedulable for one in await admin.agents.list()}[drained] is False
    assert observe.history(waiting.id) == [(None, "PENDING")]
    await here.terminate()
    await here.reaches("TERMINATED", within=SECONDS_MAX)
    assert (await here.refresh()).reason == "user-requested"
    assert observe.live_kernels(here.id) == []
    assert observe.history(waiting.id) == [(None, "PENDING")]
    resumed = await admin.agents.resume(drained)
    assert (resumed.schedulable, resumed.kernels) == (True, 0)
    await waiting.reaches("RUNNING", within=SECONDS_MAX)
    assert (await waiting.refresh()).agent == drained


async def test_what_is_still_there_at_the_deadline_ends_with_that_reason(
    private_cluster, user, admin, observe
):
    """Drain for good. Two sessions on one agent, one on the other; drain with a deadline; the two end, say why, and free their slots."""
    made = [await running(user, slots={"cpu": 3}) for _ in range(3)]
    placed = {session.id: (await session.refresh()).agent for session in made}
    drained = max(set(placed.values()), key=list(placed.values()).count)
    await admin.agents.drain(drained, deadline_seconds=3600)
    for session in made:
        assert (await session.execute("6 * 7")).result == "42"
    view = await admin.agents.drain(drained, deadline_seconds=0)
    assert view.drain_deadline is not None
    for session in made:
        if placed[session.id] == drained:
            await session.reaches("TERMINATED", within=SECONDS_MAX)
            ended = await session.refresh()
            assert (ended.reason, ended.detail) == (
                "agent-drained",
                f"agent {drained} was drained",
            )
            assert observe.live_kernels(session.id) == []
            assert observe.slots_in_use(session.id) == (0, 0)
        else:
            assert (await session.execute("6 * 7")).result == "42"
    actors = observe.rows("SELECT DISTINCT actor FROM session_history WHERE cause = 'agent-drained' AND to_status = 'TERMINATING'")  # fmt: skip
    assert [row["actor"] for row in actors] == ["drain"]
    assert {one.id: one.kernels for one in await admin.agents.list()}[drained] == 0


async def test_nothing_is_placed_once_the_drain_is_told(private_cluster, user, admin, observe):
    """The answer counts. Create sessions without a pause, drain an agent meanwhile; no kernel of it is younger than the answer."""
    agents = sorted(private_cluster.replicas("agent"))
    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(user.sessions.create(slots={"cpu": 1, "memory_mib": 64}))
        draining = group.create_task(admin.agents.drain(agents[0]))
        for _ in range(6):
            group.create_task(user.sessions.create(slots={"cpu": 1, "memory_mib": 64}))
        await draining
        told = observe.value("SELECT clock_timestamp()")
        for _ in range(6):
            group.create_task(user.sessions.create(slots={"cpu": 1, "memory_mib": 64}))
    late = observe.rows("SELECT id FROM kernels WHERE agent_id = %s AND created_at > %s", agents[0], told)  # fmt: skip
    assert late == []


async def test_only_administrators_drain_and_only_what_there_is(user, admin):
    """Refused before any effect. Drain as a user, and what is not there."""
    for client, agent, code in ((user, "agent-1", "forbidden"), (admin, "nobody", "agent-not-found"), (admin, "a\0b", "agent-not-found")):  # fmt: skip
        for act in (client.agents.drain, client.agents.resume):
            with pytest.raises(Refused) as refused:
                await act(agent)
            assert refused.value.code == code
    assert all(one.schedulable for one in await admin.agents.list())


def other(cluster, agent):
    """The agent that is not this one."""
    (found,) = (name for name in cluster.replicas("agent") if name != agent)
    return found
