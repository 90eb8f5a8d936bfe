"""Sessions ended by force: over at once, whatever their agents do, with slots freed once, and nothing left when the agents answer again."""

import pytest

from quarterdeck.client import api
from quarterdeck.client.errors import Refused
from quarterdeck.testing.racing import at_once
from shakeout.faults import lifecycle
from shakeout.faults.process import Kill, Pause
from shakeout.links.behaviour import Behaviour
from shakeout.waiting.until import until

FORCED = [("RUNNING", "TERMINATING"), ("TERMINATING", "TERMINATED")]


def freed(observe, session):
    """How many of a session's allocations were freed, and how many there are."""
    (row,) = observe.rows(
        "SELECT count(freed_at) AS freed, count(*) AS given FROM allocations JOIN kernels ON kernels.id = kernel_id"
        " WHERE session_id = %s",
        session.id,
    )
    return row["freed"], row["given"]


def left(observe):
    """The kernels that agents still have to destroy."""
    return observe.value("SELECT count(*) FROM kernel_removals")


async def nothing_left(observe):
    """Wait until no agent has anything to destroy, and none has a kernel."""
    await until(lambda: left(observe), within=20, satisfied=lambda count: count == 0)
    assert observe.live_kernels() == []
    assert observe.scratch() == {}


async def test_forced_end_does_not_wait_for_a_frozen_agent(private_cluster, user, observe):
    """Behaviour 11: the destroy hangs, force ends the session at once, and what the agent does later changes nothing.

    Freeze the agent, ask for an end and then by force; SQL has it TERMINATED with its slots freed once before the agent goes on.
    """
    session = await user.sessions.create(slots={"cpu": 8})
    await session.reaches("RUNNING", within=10)
    async with lifecycle.injected(Pause("agent"), private_cluster, within=20):
        await session.terminate()
        assert observe.slots_in_use(session.id) == (8, 256)
        await session.terminate(force=True)
        assert (await session.refresh()).status == "TERMINATED"
        assert (freed(observe, session), observe.slots_in_use()) == ((1, 1), (0, 0))
        assert observe.history(session.id)[-2:] == FORCED
        assert left(observe) == 1
        assert observe.live_kernels(session.id)
        history = observe.history(session.id)
    await nothing_left(observe)
    assert observe.history(session.id) == history
    assert freed(observe, session) == (1, 1)
    again = await user.sessions.create(slots={"cpu": 8})
    await again.reaches("RUNNING", within=20)


@pytest.mark.links
async def test_forced_end_during_a_create_leaves_no_kernel(private_cluster, user, observe):
    """Behaviour 11 at the beginning: force ends what is being made. Lose the agent's answers, force, let them through again."""
    link = private_cluster.links.link("manager", "agent")
    await link.set(Behaviour.deaf_source())
    session = await user.sessions.create()
    await until(observe.live_kernels, within=10)
    await session.terminate(force=True)
    assert (await session.refresh()).status == "TERMINATED"
    assert observe.slots_in_use() == (0, 0)
    await link.restore()
    await nothing_left(observe)
    assert observe.history(session.id)[-2:] == [
        ("CREATING", "TERMINATING"),
        ("TERMINATING", "TERMINATED"),
    ]


async def test_forced_end_on_a_lost_agent_stays_the_end(private_cluster, user, observe):
    """Behaviour 11 with an agent that is gone: kill it, force at once, start it again. History has each step once."""
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=10)
    async with lifecycle.injected(Kill("agent"), private_cluster, within=20):
        await session.terminate(force=True)
        assert (await session.refresh()).status == "TERMINATED"
        assert freed(observe, session) == (1, 1)
    await nothing_left(observe)
    steps = [to for _, to in observe.history(session.id)]
    assert (steps.count("TERMINATING"), steps.count("TERMINATED")) == (1, 1)


async def test_many_ends_at_once_free_once(user, observe):
    """Behaviours 9 and 11, complaint #1295: ends that race free exactly once. Ask ten times at once, by force and not; twice over."""
    three = await user.sessions.create(cluster_size=3, slots={"cpu": 1, "memory_mib": 64})
    await three.reaches("RUNNING", within=10)
    young = await user.sessions.create()
    for session in (three, young):
        await race_to_the_end(session)
        steps = [to for _, to in observe.history(session.id)]
        assert len(steps) == len(set(steps))
        assert len(set(freed(observe, session))) == 1
    await three.terminate(force=True)
    assert freed(observe, three) == (3, 3)
    assert observe.slots_in_use(three.id) == (0, 0)
    await until(
        lambda: observe.live_kernels(three.id), within=20, satisfied=lambda live: live == []
    )


async def race_to_the_end(session):
    """Ask ten times at once for the end of a session, half of them by force, and wait for it."""
    ends = await at_once(lambda at: session.terminate(force=at % 2 == 0), times=10)
    assert ends == [None] * 10
    await until(
        session.refresh,
        within=10,
        satisfied=lambda view: view.status in {"TERMINATED", "CANCELLED"},
    )


async def test_waiting_session_forced_is_cancelled(user, observe):
    """Behaviour 10 by force: what waits is cancelled, and nothing is left to destroy. Ask for more than there is, force."""
    session = await user.sessions.create(slots={"cpu": 1000})
    await session.terminate(force=True)
    assert observe.history(session.id) == [(None, "PENDING"), ("PENDING", "CANCELLED")]
    removals = "SELECT count(*) FROM kernel_removals JOIN kernels ON kernels.id = kernel_id WHERE session_id = %s"
    assert observe.value(removals, session.id) == 0


async def test_force_is_the_owners_only(session, other_user, observe):
    """Force gives no rights. End another user's session by force: it does not exist, and lives on."""
    with pytest.raises(Refused) as refused:
        await other_user.call(api.delete_session(session.id, force=True), object)
    assert (refused.value.status, refused.value.code) == (404, "session-not-found")
    assert observe.live_kernels(session.id)
