"""Manager and agent: signed calls only, one kernel an id, and each other's death taken for what it is."""

import os
import signal

import msgspec

from quarterdeck.testing import system
from quarterdeck.testing.raw import signed
from quarterdeck.wire import agents
from shakeout.waiting.until import until

KERNEL = "0198c0de-0000-7000-8000-000000000001"
CREATE = {"session": KERNEL, "image": "python:3.11", "slots": {"cpu": 1, "memory_mib": 128}}


async def test_agent_refuses_a_call_that_is_not_the_managers(cluster, observe):
    """Only the manager's secret counts. Ask for a kernel with a wrong secret, a wrong name and a changed body."""
    before = observe.live_kernels()
    url, path, body = url_of(cluster), f"/v1/kernels/{KERNEL}", encode(CREATE)
    for who, secret in (("manager", "wrong"), ("intruder", system.keys.agent)):
        async with signed(url, who, secret) as send:
            answer = await send("PUT", path, body)
            assert (answer.status, answer.code) == (401, "signature-mismatch")
    async with signed(url, "manager", system.keys.agent) as send:
        other = await send("GET", "/v1/kernels", changed={"Authorization": "Bearer x"})
        assert (other.status, other.code) == (401, "unauthenticated")
    assert observe.live_kernels() == before


async def test_the_same_kernel_asked_twice_is_one_process(private_cluster, observe):
    """Creating is idempotent by id. Put the same kernel twice, then a different one under the same id.

    The manager knows nothing of this kernel: it has the agent destroy it as an orphan.
    """
    async with signed(url_of(private_cluster), "manager", system.keys.agent) as send:
        await private_cluster.stop("manager")
        first = await send("PUT", f"/v1/kernels/{KERNEL}", encode(CREATE))
        again = await send("PUT", f"/v1/kernels/{KERNEL}", encode(CREATE))
        assert first.status == again.status == 200
        assert first.body == again.body
        other = CREATE | {"slots": {"cpu": 2, "memory_mib": 128}}
        refused = await send("PUT", f"/v1/kernels/{KERNEL}", encode(other))
        assert (refused.status, refused.code) == (409, "kernel-conflict")
        assert observe.live_kernels() == [KERNEL]
        await private_cluster.start("manager")
        await until(observe.live_kernels, within=10, satisfied=lambda live: live == [])


async def test_killed_kernel_ends_its_session_with_the_cause(user, observe):
    """A kernel's death is seen at once. SIGKILL the process; the session ends with that reason and gives its slots back."""
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=10)
    (first, *_) = observe.kernel_pids(observe.kernel(session.id))
    os.kill(first, signal.SIGKILL)
    await session.reaches("TERMINATED", within=10)
    assert (await session.refresh()).reason == "self-terminated"
    assert observe.slots_in_use(session.id) == (0, 0)
    assert observe.live_kernels(session.id) == []


async def test_session_waits_for_an_agent_and_then_runs(private_cluster, user, observe):
    """No agent, no failure: the session waits. Stop the agent, create, start the agent again; the session runs."""
    await private_cluster.stop("agent")
    await until(
        lambda: observe.value("SELECT status FROM agents"), within=10, satisfied="LOST".__eq__
    )
    session = await user.sessions.create()
    await private_cluster.start("agent")
    await session.reaches("RUNNING", within=10)
    assert len(observe.live_kernels(session.id)) == 1


async def test_running_session_survives_a_restart_of_the_manager(private_cluster, user, observe):
    """The manager holds no state of its own. Kill it and start it again; kernel, variable and slots are still there."""
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=10)
    await session.execute("answer = 6 * 7")
    pids = observe.kernel_pids(observe.kernel(session.id))
    await private_cluster.kill("manager")
    await private_cluster.start("manager")
    assert (await session.execute("answer")).result == "42"
    assert observe.kernel_pids(observe.kernel(session.id)) == pids
    assert observe.slots_in_use() == (1, 256)


def url_of(cluster):
    """The agent's URL, which names it."""
    return agents.url("agent", cluster.address("agent.http"))


def encode(value: object) -> bytes:
    return msgspec.json.encode(value)
