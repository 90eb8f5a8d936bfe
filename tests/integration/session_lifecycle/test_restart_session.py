"""Sessions that are restarted: new processes and an empty interpreter in the same place, whatever dies meanwhile."""

import asyncio
import shutil
from collections.abc import Awaitable

import pytest

from quarterdeck.base import ids
from quarterdeck.base.clock import SystemClock
from quarterdeck.client import api
from quarterdeck.client.errors import Refused
from quarterdeck.testing.racing import at_once
from shakeout.links.behaviour import Behaviour
from shakeout.waiting.until import until

RESTARTED = [("RUNNING", "RESTARTING"), ("RESTARTING", "RUNNING")]
FAILED = [
    ("RUNNING", "RESTARTING"),
    ("RESTARTING", "TERMINATING"),
    ("TERMINATING", "TERMINATED"),
]


def slots(observe, session):
    """The session's allocation rows, whole."""
    return observe.rows(
        "SELECT allocations.* FROM allocations JOIN kernels ON kernels.id = kernel_id"
        " WHERE session_id = %s ORDER BY kernel_id",
        session.id,
    )


async def running(user, **given):
    """A session that runs and has left a file and a variable."""
    session = await user.sessions.create(**given)
    await session.reaches("RUNNING", within=20)
    await session.execute("x = 1\nopen('kept', 'w').write('1')")
    return session


async def is_new(session):
    """Assert that a session runs with the files that it had, and no variable."""
    await session.reaches("RUNNING", within=30)
    assert (
        await session.execute("open('kept').read(), 'x' in globals()")
    ).result == "('1', False)"


async def refusal_of(call: Awaitable[object]) -> Refused:
    """The refusal that a call meets."""
    with pytest.raises(Refused) as refusal:
        await call
    return refusal.value


async def test_files_mounts_and_slots_stay_and_variables_go(user, observe):
    """Complaint #3283: a restarted session works. Restart; compare history, kernel, processes, slots, files and variables."""
    folder = await user.folders.create("data")
    session = await running(user, mounts={"input": folder}, name="fit")
    await session.execute("open('input/kept', 'w').write('2')")
    kernel, before, past = (
        observe.kernel(session.id),
        slots(observe, session),
        observe.history(session.id),
    )
    (old,) = observe.kernel_pids(kernel)
    await session.restart()
    await is_new(session)
    assert observe.history(session.id) == [*past, *RESTARTED]
    (row,) = [
        row
        for row in await session.history()
        if (row.kernel, row.to_status) == (None, "RESTARTING")
    ]
    assert (row.cause, row.actor) == ("restart-requested", session.view.owner)
    assert (observe.kernel(session.id), slots(observe, session)) == (kernel, before)
    (new,) = observe.kernel_pids(kernel)
    assert new != old
    assert observe.mounts(new)
    assert (await session.execute("open('input/kept').read()")).result == "'2'"
    assert (await session.execute("open('input/kept', 'a').write('more')")).result == "4"
    assert observe.content(folder.id)["kept"] == b"2more"


async def test_what_ran_before_a_restart_is_not_run_again(session):
    """The same id again runs nothing again, not even in a new interpreter. Run, restart, ask once more: refused, and nothing was written."""
    code, run = "open('log', 'a').write('x')", ids.new(SystemClock())
    await session.execute(code, run=run)
    await session.restart()
    await session.reaches("RUNNING", within=20)
    refused = await refusal_of(session.execute(code, run=run))
    assert (refused.status, refused.code) == (410, "run-forgotten")
    assert (await session.execute("open('log').read()")).result == "'x'"


async def test_twice_in_a_row_and_what_ran_is_told(session, observe):
    """A restart can be restarted, and who waits for code hears why it has no answer. Restart under a loop without end, and again."""
    past = observe.history(session.id)
    async with asyncio.TaskGroup() as group:
        waits = group.create_task(
            refusal_of(session.execute("print('on', flush=True)\nwhile 1: pass"))
        )
        await until(session.logs, within=10, satisfied=lambda text: "on" in text)
        await session.restart()
    assert (waits.result().status, waits.result().code) == (409, "kernel-restarted")
    await session.reaches("RUNNING", within=20)
    await session.restart()
    await session.reaches("RUNNING", within=20)
    assert observe.history(session.id) == [*past, *RESTARTED, *RESTARTED]
    assert (await session.execute("1 + 1")).result == "2"
    assert len(observe.kernel_pids(observe.kernel(session.id))) == 1


async def test_ten_at_once_are_as_many_as_began(user, observe):
    """Restarts that race do not mix. Ask ten times at once: each begins one or is told that one is under way; a cluster of three ends whole."""
    session = await running(user, cluster_size=3, slots={"cpu": 1, "memory_mib": 64})
    past, before = observe.history(session.id), slots(observe, session)
    outcomes = await at_once(lambda _: session.restart(), times=10)
    refused = [one for one in outcomes if one is not None]
    assert {one.code for one in refused} <= {"session-restarting"}
    await until(session.refresh, within=30, satisfied=lambda view: view.status == "RUNNING")
    begun = 10 - len(refused)
    assert begun >= 1
    assert observe.history(session.id) == [*past, *RESTARTED * begun]
    assert slots(observe, session) == before
    assert len(observe.live_kernels(session.id)) == 3
    assert (await session.execute("'x' in globals()", kernel="sub2")).result == "False"


async def test_inference_runs_its_command_again_and_batch_refuses(user, observe):
    """A restart is for what goes on. Restart an inference session: its command runs anew; batch, waiting and ended ones are refused by name."""
    serves = await user.sessions.create(
        type="inference", command=["sh", "-c", "echo up; sleep 1000"]
    )
    await serves.reaches("RUNNING", within=20)
    kernel = observe.kernel(serves.id)
    old = observe.kernel_pids(kernel)
    await serves.restart()
    await serves.reaches("RUNNING", within=20)
    assert not set(old) & set(observe.kernel_pids(kernel))
    await until(serves.logs, within=10, satisfied=lambda text: "up" in text)
    task = await user.sessions.create(type="batch", command=["sleep", "1000"])
    await task.reaches("RUNNING", within=20)
    assert (await refusal_of(task.restart())).code == "session-not-restartable"
    waits = await user.sessions.create(slots={"cpu": 1000})
    refused = await refusal_of(waits.restart())
    assert (refused.status, refused.code) == (409, "session-not-running")
    assert "PENDING" in refused.detail
    await waits.terminate()
    assert "CANCELLED" in (await refusal_of(waits.restart())).detail


async def test_restart_is_the_owners_only(session, other_user, observe):
    """Sessions are private. Restart another user's session: it does not exist, and goes on."""
    past = observe.history(session.id)
    refused = await refusal_of(other_user.call(api.restart_session(session.id), object))
    assert (refused.status, refused.code) == (404, "session-not-found")
    assert observe.history(session.id) == past


async def test_restart_that_fails_ends_with_the_reason(user, observe):
    """What cannot be made again ends in words. Remove the folder under a session, restart it: it ends, and nothing of it is left."""
    folder = await user.folders.create("data")
    session = await running(user, mounts={"input": folder})
    tree = observe.trees()[folder.id]
    aside = tree.with_name(f"{tree.name}.aside")
    shutil.move(tree, aside)
    try:
        await session.restart()
        await session.reaches("TERMINATED", within=30)
    finally:
        shutil.move(aside, tree)
    view = await session.refresh()
    assert (view.reason, view.result) == ("restart-failed", "FAILURE")
    assert view.detail.startswith("not restarted: ")
    assert observe.history(session.id)[-3:] == FAILED
    assert observe.slots_in_use(session.id) == (0, 0)
    assert observe.live_kernels(session.id) == []


async def test_links_that_a_user_laid_lead_a_restart_nowhere(user, observe, tmp_path):
    """Acceptance 4: a kernel's directory is its user's when it starts again. Lay a link where a mount's parent was: nothing is made behind it."""
    folder = await user.folders.create("data")
    session = await running(user, mounts={"a/input": folder})
    code = f"import os; os.rename('a', 'b'); os.symlink({str(tmp_path)!r}, 'a'); os.readlink('a')"
    await session.execute(code)
    await session.restart()
    await until(session.refresh, within=30, satisfied=lambda view: view.status == "TERMINATED")
    assert (await session.refresh()).reason == "restart-failed"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.links
async def test_ended_while_it_restarts(private_cluster, user, observe):
    """A restart under way is no hindrance to an end. Lose the agent's answers, restart, end, let them through: nothing is left."""
    session = await running(user)
    link = private_cluster.links.link("manager", "agent")
    await link.set(Behaviour.deaf_source())
    await session.restart()
    await session.terminate()
    await link.restore()
    await session.reaches("TERMINATED", within=30)
    assert observe.history(session.id)[-3:] == FAILED
    assert observe.live_kernels() == []
    assert observe.scratch() == {}
    assert observe.slots_in_use() == (0, 0)


@pytest.mark.links
async def test_manager_killed_while_a_session_restarts(private_cluster, user, observe):
    """A restart belongs to no life of the manager. Lose the agent's answers, restart, kill the manager, start it: RUNNING, restarted once."""
    session = await running(user)
    past = observe.history(session.id)
    link = private_cluster.links.link("manager", "agent")
    await link.set(Behaviour.deaf_source())
    await session.restart()
    await private_cluster.kill("manager")
    await link.restore()
    await private_cluster.start("manager")
    await is_new(session)
    assert observe.history(session.id) == [*past, *RESTARTED]
    assert observe.value("SELECT generation FROM kernels") == 1


async def test_agent_killed_while_a_session_restarts(private_cluster, user, observe):
    """A restart survives its agent, at any moment. Kill the agent at six moments after the request, start it: RUNNING, files there."""
    session = await running(user)
    before = slots(observe, session)
    for moment in range(6):
        past = observe.history(session.id)
        await session.execute("x = 1")
        await session.restart()
        for _ in range(moment):
            await session.refresh()
        await private_cluster.kill("agent")
        await private_cluster.start("agent")
        await is_new(session)
        assert observe.history(session.id) == [*past, *RESTARTED]
    assert slots(observe, session) == before
    assert len(observe.kernel_pids(observe.kernel(session.id))) == 1


async def test_qd_restarts_and_waits(qd, user, session, observe):
    """`qd session restart` says what becomes of it. Restart with --wait; then one that is not there beside it."""
    name = session.id[-8:]
    done = await qd("session", "restart", name, "--wait")
    assert done.stdout.split() == [name, "RUNNING"]
    assert observe.history(session.id)[-2:] == RESTARTED
    both = await qd("session", "restart", "nobody", name, "--wait", check=False)
    assert (both.code, both.stdout.split()) == (1, [name, "RUNNING"])
    assert "nobody" in both.stderr
