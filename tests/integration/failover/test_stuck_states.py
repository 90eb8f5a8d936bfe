"""States in which sessions of the published platform stay for ever, each provoked here, and each left by itself."""

import contextlib
import uuid

import psycopg
import pytest

from quarterdeck.client.errors import SessionEnded
from quarterdeck.wire import nodes
from quarterdeck.wire.events import STREAM, Event, EventKind
from shakeout.faults import lifecycle
from shakeout.faults.process import Kill, Pause
from shakeout.links.behaviour import Behaviour
from shakeout.waiting.until import until

CONVERGED_SECONDS_MAX = 30


def place(observe, session, status, cause="test"):
    """Try to move a session by SQL, past the platform."""
    observe.database.execute(
        "UPDATE sessions SET status = %s, status_cause = %s, status_actor = 'test' WHERE id = %s",
        [status, cause, session.id],
    )


async def over(session, within=CONVERGED_SECONDS_MAX):
    """Wait for the end, whatever it is, and return what is seen of the session."""
    with contextlib.suppress(SessionEnded):
        await session.reaches("TERMINATED", within=within)
    return await session.refresh()


async def test_terminating_on_an_agent_that_takes_no_kernels_ends(private_cluster, user, observe):
    """#10869, behaviour 26: an agent that is closed to new kernels still ends old ones. Close it under a session, terminate."""
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=10)
    observe.database.execute("UPDATE agents SET schedulable = false")
    waiting = await user.sessions.create()
    await session.terminate()
    assert (await over(session)).status == "TERMINATED"
    assert observe.live_kernels() == []
    assert (await waiting.refresh()).status == "PENDING"
    assert observe.kernel(waiting.id) is None
    observe.database.execute("UPDATE agents SET schedulable = true")
    await waiting.reaches("RUNNING", within=10)


async def test_terminating_with_kernels_that_ended_before_they_began_ends(
    private_cluster, user, observe
):
    """#12317: kernels that never were do not hold their session.

    Place a session while no manager looks, lose the agent: it waits again, with its kernels ended. Let it run on others, terminate.
    """
    observe.database.execute("UPDATE agents SET schedulable = false")
    session = await user.sessions.create(cluster_size=2, slots={"cpu": 1, "memory_mib": 64})
    await private_cluster.stop("manager")
    observe.database.execute("UPDATE agents SET schedulable = true")
    placed = observe.value(
        "SELECT place_sessions(%s::uuid[], %s::uuid[], '{0,1}', '{agent,agent}', '{1,1}', '{64,64}')",
        [str(uuid.uuid4()), str(uuid.uuid4())],
        [session.id] * 2,
    )
    assert str(placed) == session.id
    await private_cluster.kill("agent")
    await until(
        lambda: observe.etcd.below(nodes.AGENTS),
        within=CONVERGED_SECONDS_MAX,
        satisfied=lambda registered: not registered,
    )
    await private_cluster.start("manager")
    await until(
        lambda: observe.history(session.id),
        within=CONVERGED_SECONDS_MAX,
        satisfied=lambda steps: ("SCHEDULED", "PENDING") in steps,
    )
    await private_cluster.start("agent")
    await session.reaches("RUNNING", within=CONVERGED_SECONDS_MAX)
    await session.terminate()
    assert (await over(session)).status == "TERMINATED"
    kernels = observe.rows("SELECT status FROM kernels WHERE session_id = %s", session.id)
    assert [row["status"] for row in kernels] == ["TERMINATED"] * 4
    assert observe.slots_in_use() == (0, 0)
    assert observe.live_kernels() == []


async def test_session_that_has_ended_never_moves_again(private_cluster, user, observe):
    """#8405: TERMINATED is the end. Repeat the events of its kernel, ask for its end again, try to move it by SQL; history stays."""
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=10)
    kernel = observe.kernel(session.id)
    await session.terminate()
    await over(session)
    history = observe.history(session.id)
    for _ in range(20):
        observe.redis.xadd(STREAM, Event(EventKind.KERNEL, kernel).fields())
    await session.terminate()
    await session.terminate(force=True)
    for status in ("TERMINATING", "RUNNING", "PENDING"):
        with pytest.raises(psycopg.Error, match="no legal transition"):
            place(observe, session, status)
    probe = await user.sessions.create()
    await probe.reaches("RUNNING", within=10)
    assert observe.history(session.id) == history
    assert observe.slots_in_use() == (1, 256)


@pytest.mark.links
async def test_creating_whose_answer_was_lost_runs(private_cluster, user, observe):
    """#12456: creating is asked again by id, without any event. Lose the answer and Redis; one kernel runs in the end."""
    await private_cluster.kill("redis")
    link = private_cluster.links.link("manager", "agent")
    await link.set(Behaviour.deaf_source())
    session = await user.sessions.create()
    await until(observe.live_kernels, within=10)
    await link.restore()
    await session.reaches("RUNNING", within=CONVERGED_SECONDS_MAX)
    assert len(observe.live_kernels()) == 1
    assert observe.slots_in_use() == (1, 256)
    assert [to for _, to in observe.history(session.id)].count("CREATING") == 1


async def test_terminating_on_a_frozen_agent_ends_when_it_thaws(private_cluster, user, observe):
    """#3426: what is stuck is collected by itself. Freeze the agent, terminate, let it go on; nobody asks again."""
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=10)
    async with lifecycle.injected(Pause("agent"), private_cluster, within=20):
        await session.terminate()
        assert (await session.refresh()).status == "TERMINATING"
    assert (await over(session)).status == "TERMINATED"
    await until(observe.live_kernels, within=20, satisfied=lambda live: live == [])
    assert observe.slots_in_use() == (0, 0)


@pytest.mark.links
@pytest.mark.parametrize("type_", ["batch", "inference"])
async def test_terminating_before_there_is_a_kernel_to_ask_for_logs_ends(
    private_cluster, user, observe, type_
):
    """#3426: a command that never began has no logs, and nobody waits for them. Cut the agent off, create, terminate, join."""
    link = private_cluster.links.link("manager", "agent")
    await link.set(Behaviour.severed())
    session = await user.sessions.create(type=type_, command=["sleep", "1000"])
    await until(
        lambda: observe.history(session.id),
        within=10,
        satisfied=lambda steps: ("SCHEDULED", "CREATING") in steps,
    )
    await session.terminate()
    await link.restore()
    assert (await over(session)).status == "TERMINATED"
    assert observe.slots_in_use() == (0, 0)
    assert observe.live_kernels() == []
    assert observe.rows("SELECT text FROM session_logs WHERE session_id = %s", session.id) == []


async def test_terminating_under_a_manager_that_dies_ends(private_cluster, user, observe):
    """#3426 with the manager: an end that was asked for is carried out by the next one. Kill it right after the answer."""
    session = await user.sessions.create(cluster_size=3, slots={"cpu": 1, "memory_mib": 64})
    await session.reaches("RUNNING", within=10)
    await session.terminate()
    async with lifecycle.injected(Kill("manager"), private_cluster, within=20):
        pass
    assert (await over(session)).status == "TERMINATED"
    assert observe.live_kernels() == []
    assert observe.slots_in_use() == (0, 0)


async def test_dependent_of_a_session_ended_by_force_is_not_stuck(private_cluster, user, observe):
    """#5218: what depends on something that ended is decided. Force the end of a session that another waits for."""
    first = await user.sessions.create(type="batch", command=["sleep", "1000"])
    second = await user.sessions.create(depends_on=[first])
    await first.reaches("RUNNING", within=10)
    await first.terminate(force=True)
    assert (await over(second)).status == "CANCELLED"
    assert (await second.refresh()).reason == "dependency-failed"


async def test_slots_come_back_after_a_forced_end(private_cluster, user, observe):
    """#9928: a forced end frees its slots, each time. Fill the agent, force, fill it again, ten times over; at the end all is free."""
    for _ in range(10):
        session = await user.sessions.create(slots={"cpu": 8})
        await session.reaches("RUNNING", within=CONVERGED_SECONDS_MAX)
        assert observe.slots_in_use() == (8, 256)
        await session.terminate(force=True)
        assert observe.slots_in_use() == (0, 0)
    await until(observe.live_kernels, within=20, satisfied=lambda live: live == [])
