"""Sessions end when their time is up: of a command, of a life, of nobody using it. Nothing else ends them, and no clock but the database's."""

import asyncio

import pytest

from quarterdeck.client.errors import Refused
from shakeout.faults import lifecycle
from shakeout.faults.clock import ClockJump
from shakeout.waiting.until import until


async def ended(session):
    """Wait for the end and return what is seen of it."""
    await session.reaches("TERMINATED", within=20)
    return await session.refresh()


def nothing_stays(observe, session):
    """Tell whether no slot and no process of the session is left."""
    return observe.slots_in_use(session.id) == (0, 0) and not observe.live_kernels(session.id)


async def test_a_command_that_takes_too_long_is_a_failure(user, observe):
    """Behaviour 6: a batch session beyond batch_seconds ends with task-timeout. What it wrote is kept, nothing else stays."""
    session = await user.sessions.create(
        type="batch", command=["sh", "-c", "echo begun; sleep 600"], batch_seconds=1
    )
    view = await ended(session)
    assert (view.result, view.reason, view.exit_code) == ("FAILURE", "task-timeout", None)
    assert view.detail == "reached its limit of 1 seconds (batch_seconds)"
    assert (view.expires_at - view.started_at).total_seconds() == 1
    ending = (await session.history())[-1]
    assert (ending.cause, view.terminated_at >= view.expires_at) == ("task-timeout", True)
    actor = "SELECT actor FROM session_history WHERE session_id = %s AND to_status = 'TERMINATING'"
    assert observe.value(actor, session.id) == "time-outs"
    assert await session.logs() == "begun\n"
    assert nothing_stays(observe, session)


async def test_a_command_in_time_is_none_of_it(user):
    """Behaviour 6: who is in time is not hurt. A batch session with a minute's time ends by itself, with success."""
    session = await user.sessions.create(type="batch", command=["true"], batch_seconds=60)
    view = await ended(session)
    assert (view.result, view.batch_seconds) == ("SUCCESS", 60)
    assert view.terminated_at < view.expires_at


async def test_a_life_has_an_end_even_if_it_is_used(user, observe):
    """Behaviour 16, complaint #13273 (the lifetime checker never fires): after lifetime_seconds a busy session ends too, with that reason."""
    session = await user.sessions.create(lifetime_seconds=1)
    await session.reaches("RUNNING", within=10)

    async def hold():
        with pytest.raises(Refused):
            await session.execute("while True: pass")

    async with asyncio.TaskGroup() as group:
        group.create_task(hold())
        view = await ended(session)
    assert (view.reason, view.result) == ("lifetime-timeout", "FAILURE")
    assert view.detail == "reached its limit of 1 seconds (lifetime_seconds)"
    assert nothing_stays(observe, session)


async def test_a_session_that_nobody_uses_ends(user, observe):
    """Behaviour 16: idle_seconds without an execution or a connection end it; its neighbour without that limit lives on."""
    session, other = await user.sessions.create(idle_seconds=1), await user.sessions.create()
    await other.reaches("RUNNING", within=10)
    view = await ended(session)
    assert (view.reason, view.idle_seconds) == ("idle-timeout", 1)
    assert view.detail == "not used for 1 seconds (idle_seconds)"
    assert view.expires_at is None
    assert nothing_stays(observe, session)
    assert (await other.refresh()).status == "RUNNING"


async def test_a_session_in_use_is_not_idle(user, observe):
    """Behaviour 16: what runs prevents the end. A session with one idle second runs code until another has come, idled and gone."""
    folder = await user.folders.create("gate")
    used = await user.sessions.create(idle_seconds=1, mounts={"gate": folder})
    await used.reaches("RUNNING", within=10)
    code = "import os, time\nwhile not os.path.exists('gate/open'): time.sleep(0.02)\n6 * 7"

    async def hold():
        return (await used.execute(code)).result

    async with asyncio.TaskGroup() as group:
        execution = group.create_task(hold())
        idle = await user.sessions.create(idle_seconds=1)
        assert (await ended(idle)).reason == "idle-timeout"
        assert (await used.refresh()).status == "RUNNING"
        (observe.trees()[folder.id] / "open").touch()
    assert execution.result() == "42"
    assert (await ended(used)).reason == "idle-timeout"


async def test_an_open_connection_is_a_use(user, observe):
    """Behaviour 16: an active connection prevents the end. Hold a terminal in which nothing happens until another session has come, idled and gone; let go of it."""
    used = await user.sessions.create(idle_seconds=2)
    await used.reaches("RUNNING", within=10)
    async with used.terminal():
        idle = await user.sessions.create(idle_seconds=2)
        assert (await ended(idle)).reason == "idle-timeout"
        assert (await used.refresh()).status == "RUNNING"
        assert observe.history(used.id)[-1] == ("CREATING", "RUNNING")
        assert observe.live_kernels(used.id)
    assert (await ended(used)).reason == "idle-timeout"
    assert nothing_stays(observe, used)


async def test_the_earlier_limit_counts(user):
    """Behaviours 6 and 16: of two limits the first that is reached ends it, and is named."""
    late = {"type": "batch", "command": ["sleep", "600"]}
    first = await user.sessions.create(**late, batch_seconds=1, lifetime_seconds=600)
    second = await user.sessions.create(**late, batch_seconds=600, lifetime_seconds=1)
    assert (await ended(first)).reason == "task-timeout"
    assert (await ended(second)).reason == "lifetime-timeout"


async def test_a_restart_of_the_manager_forgets_no_time_out(private_cluster, user, observe):
    """Behaviour 16: time-outs are rows. Kill the manager before they are up, start it after; both sessions end with their reasons."""
    life = await user.sessions.create(lifetime_seconds=1)
    batch = await user.sessions.create(type="batch", command=["sleep", "600"], batch_seconds=1)
    for session in (life, batch):
        await session.reaches("RUNNING", within=10)
    await private_cluster.kill("manager")
    await until(lambda: overdue(observe), within=10, satisfied=lambda count: count == 2)
    await private_cluster.start("manager")
    assert (await ended(life)).reason == "lifetime-timeout"
    assert (await ended(batch)).reason == "task-timeout"


async def test_a_command_that_ended_in_time_unseen_was_in_time(private_cluster, user, observe):
    """Behaviour 6: the result counts, not who looked when. Kill the manager, let the command end and its time pass, start it: SUCCESS."""
    session = await user.sessions.create(
        type="batch", command=["sh", "-c", "sleep 0.3; echo in time"], batch_seconds=1
    )
    await session.reaches("RUNNING", within=10)
    kernel = observe.kernel(session.id)
    await private_cluster.kill("manager")
    await until(lambda: observe.kernel_pids(kernel), within=10, satisfied=lambda pids: not pids)
    await until(lambda: overdue(observe), within=10, satisfied=lambda count: count == 1)
    await private_cluster.start("manager")
    view = await ended(session)
    assert (view.result, view.reason) == ("SUCCESS", "task-finished")
    assert await session.logs() == "in time\n"


async def test_no_clock_of_the_manager_or_agent_ends_a_session_early(private_cluster, user):
    """Behaviour 16: only the database's clock counts, and durations of the agent. Jump both clocks by four minutes; limits of three stay far."""
    limits = {"lifetime_seconds": 180, "idle_seconds": 180}
    long = await user.sessions.create(**limits)
    batch = await user.sessions.create(type="batch", command=["sleep", "600"], batch_seconds=180)
    for session in (long, batch):
        await session.reaches("RUNNING", within=10)
    before = (await long.refresh()).expires_at
    async with (
        lifecycle.injected(ClockJump("manager", 240), private_cluster),
        lifecycle.injected(ClockJump("agent", 240), private_cluster),
    ):
        short = await user.sessions.create(lifetime_seconds=1)
        idle = await user.sessions.create(idle_seconds=1)
        assert (await ended(short)).reason == "lifetime-timeout"
        assert (await ended(idle)).reason == "idle-timeout"
        for session in (long, batch):
            assert (await session.refresh()).status == "RUNNING"
    assert (await long.refresh()).expires_at == before


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"lifetime_seconds": 0}, "lifetime_seconds"),
        ({"lifetime_seconds": 366 * 86400 + 1}, "lifetime_seconds"),
        ({"idle_seconds": -1}, "idle_seconds"),
        ({"idle_seconds": 1.5}, "idle_seconds"),
        ({"batch_seconds": 5}, "batch_seconds"),
        ({"type": "batch", "command": ["x"], "idle_seconds": 5}, "idle_seconds"),
    ],
)
async def test_time_outs_that_cannot_be_are_refused(user, observe, given, field):
    """Bad input is refused before any effect. Times of nothing, of more than a year, of what the type has not; the field is named."""
    before = observe.value("SELECT count(*) FROM sessions")
    with pytest.raises(Refused) as refused:
        await user.sessions.create(**given)
    assert (refused.value.status, refused.value.field) == (400, field)
    assert observe.value("SELECT count(*) FROM sessions") == before


def overdue(observe):
    """How many sessions' time is up."""
    return observe.value(
        "SELECT count(*) FROM sessions WHERE status = 'RUNNING' AND expires_at <= now()"
    )
