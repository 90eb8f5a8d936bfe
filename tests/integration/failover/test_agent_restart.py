"""An agent that returns: its kernels are what they were, and what nobody wants is gone."""

import asyncio
import os
import signal

import pytest

from quarterdeck.client.errors import ClientError
from quarterdeck.testing.invariants import Invariants
from shakeout.waiting.until import until

SECONDS_MAX = 30
KERNELS = 4


async def end(cluster, how):
    """End the agent: as an upgrade does, or as a crash."""
    if how == "stopped":
        await cluster.stop("agent")
    else:
        await cluster.kill("agent")


async def whole(cluster):
    """Wait until all promises hold."""
    judge = Invariants(cluster)
    await until(judge.snapshot, satisfied=lambda broken: not broken, within=SECONDS_MAX)


async def running(user, **given):
    session = await user.sessions.create(**given)
    await session.reaches("RUNNING", within=SECONDS_MAX)
    return session


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_sessions_outlive_a_restart_of_their_agent(private_cluster, user, observe, how):
    """Behaviour 56: kernels are adopted as they are. Complaint: a restart of the agent killed its containers.

    Fill the agent with sessions that have names and children; end it, start it; compare processes, variables, slots, directories and history.
    """
    made = [await running(user, slots={"cpu": 2}) for _ in range(KERNELS)]
    for number, session in enumerate(made):
        await session.execute(f"import subprocess\nx = {number}\np = subprocess.Popen(['sleep', '1000'])")  # fmt: skip
    kernels = {session.id: observe.kernel(session.id) for session in made}
    before = {id_: observe.kernel_pids(kernel) for id_, kernel in kernels.items()}
    instance = observe.value("SELECT instance FROM agents")
    await end(private_cluster, how)
    assert {id_: observe.kernel_pids(kernel) for id_, kernel in kernels.items()} == before
    await private_cluster.start("agent")
    await until(lambda: observe.value("SELECT instance FROM agents") != instance, within=10)
    assert {id_: observe.kernel_pids(kernel) for id_, kernel in kernels.items()} == before
    for number, session in enumerate(made):
        assert (await session.execute("x, p.poll()")).result == f"({number}, None)"
        assert observe.history(session.id)[-1] == ("CREATING", "RUNNING")
    assert observe.slots_in_use() == (2 * KERNELS, 256 * KERNELS)
    assert set(observe.scratch()) == set(kernels.values())
    waiting = await user.sessions.create()  # the agent itself knows that it is full
    await made[0].terminate()
    await waiting.reaches("RUNNING", within=SECONDS_MAX)
    await whole(private_cluster)


async def test_code_goes_on_while_its_agent_is_away(private_cluster, user, observe):
    """Behaviour 56: work in progress is not lost, though who waited for it is told that its outcome is unknown. Stop the agent meanwhile."""
    session = await running(user)
    code = "import os, time\nopen('on', 'w').close()\nwhile os.path.exists('on'): time.sleep(0.001)\nx = 42"
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(outcome(session.execute(code)))
        mark = observe_work(observe, session) / "on"
        await until(mark.exists, within=10)
        await private_cluster.stop("agent")
    assert isinstance(asked.result(), ClientError)
    await private_cluster.start("agent")
    mark.unlink()
    await until(lambda: try_execute(session, "x"), satisfied="42".__eq__, within=SECONDS_MAX)


async def test_a_kernel_that_dies_while_its_agent_is_away_ends_its_session(
    private_cluster, user, observe
):
    """Behaviours 13, 56: a death that no agent saw is found out. Kill the agent, then a kernel; start the agent."""
    dies, lives = await running(user), await running(user)
    pids = observe.kernel_pids(observe.kernel(dies.id))
    await private_cluster.kill("agent")
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    await until(lambda: observe.live_kernels(dies.id), satisfied=[].__eq__, within=SECONDS_MAX)
    await private_cluster.start("agent")
    await dies.reaches("TERMINATED", within=SECONDS_MAX)
    assert (await dies.refresh()).reason == "self-terminated"
    assert observe.slots_in_use(dies.id) == (0, 0)
    assert (await lives.execute("6 * 7")).result == "42"
    await whole(private_cluster)


async def test_what_is_terminated_while_the_agent_is_away_ends_when_it_returns(
    private_cluster, user, observe
):
    """Behaviour 56: a wish is not forgotten. Kill the agent, terminate a session, start the agent; processes and directory go."""
    session, other = await running(user), await running(user)
    await private_cluster.kill("agent")
    await session.terminate()
    assert observe.live_kernels(session.id) != []
    await private_cluster.start("agent")
    await session.reaches("TERMINATED", within=SECONDS_MAX)
    assert observe.live_kernels(session.id) == []
    assert set(observe.scratch()) == {observe.kernel(other.id)}
    await whole(private_cluster)


@pytest.mark.allows_log(
    "record-damaged|orphan-ended", component="agent", reason="the test damages it"
)
async def test_an_agent_with_a_damaged_inventory_starts_and_loses_only_that(
    private_cluster, user, observe
):
    """Complaint: an agent did not start when its scratch directory was gone. Damage one kernel's record; its session ends, others go on."""
    damaged, whole_one = await running(user), await running(user)
    kernel = observe.kernel(damaged.id)
    await private_cluster.kill("agent")
    (observe.scratch()[kernel].parent / ".state" / f"{kernel}.json").write_bytes(b"\0junk")
    await private_cluster.start("agent")
    await damaged.reaches("TERMINATED", within=SECONDS_MAX)
    assert (await damaged.refresh()).reason == "kernel-missing"
    assert (await whole_one.execute("6 * 7")).result == "42"
    assert observe.live_kernels() == [observe.kernel(whole_one.id)]
    await whole(private_cluster)


async def outcome(work):
    """The error of some work, or its result."""
    try:
        return await work
    except ClientError as error:
        return error


async def try_execute(session, code):
    """What code gives; None: nobody can run it now."""
    done = await outcome(session.execute(code))
    return None if isinstance(done, ClientError) else done.result


def observe_work(observe, session):
    """The working directory of a session."""
    return observe.scratch()[observe.kernel(session.id)] / "work"
