"""Start, stop and death of an agent process: its kernels go on, and its next life takes them over; what is damaged stops nobody."""

import asyncio
import contextlib
import os
import shutil
import signal
from pathlib import Path

import aiohttp
import msgspec
import pytest

from quarterdeck.base import ids
from quarterdeck.base.clock import SystemClock
from quarterdeck.testing import layout
from quarterdeck.testing import system as quarterdeck_system
from quarterdeck.testing.agent_client import Agent
from quarterdeck.testing.etcd_keys import EtcdKeys
from quarterdeck.wire.sessions import Slots
from shakeout.process import procfs
from shakeout.waiting.until import until

REGISTRATION = "/quarterdeck/nodes/agent/agent"

STRAY = """
import os, subprocess
subprocess.Popen(["sleep", "1000"], start_new_session=True, env={})
"""


@contextlib.asynccontextmanager
async def talking_to(cluster):
    """A client of the cluster's agent that cleans nothing up."""
    async with Agent.open(cluster.address("agent.http"), quarterdeck_system.keys.agent) as agent:
        yield agent
        agent.forget()


def scratch_of(cluster):
    return cluster.place("agent").directory / layout.SCRATCH_DIRECTORY


def working_in(directory):
    """Pids of the processes that work in a directory, from /proc."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and (entry / "cwd").readlink().is_relative_to(directory):
                found.append(int(entry.name))
    return found


async def two_kernels(agent):
    """Two kernels, one of them with a process that has left it."""
    first, second = await agent.make(), await agent.make()
    await agent.execute(first.id, STRAY)
    return first, second


def hidden_aside(scratch):
    """The names of kernels' directories."""
    return {path.name for path in scratch.iterdir() if not path.name.startswith(".")}


def told(inventory):
    """What is told of kernels, but for how long they have been idle."""
    return {id_: msgspec.structs.replace(one, idle_seconds=None) for id_, one in inventory.items()}


async def stop(cluster):
    process = cluster.process("agent")
    process.expect_exit()
    return (await process.stop(5)).code


async def end(cluster, how):
    """End the agent: by SIGTERM, or SIGKILL."""
    if how == "stopped":
        assert await stop(cluster) == 0
    else:
        await cluster.kill("agent")


async def health(cluster):
    async with aiohttp.ClientSession() as http:
        async with http.get(cluster.address("agent.http") + "/health") as answer:
            return (await answer.json()) | {"code": answer.status}


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_kernels_go_on_in_the_next_life(private_cluster, how):
    """State, pid, slots, directory and strays of a kernel are the same after the agent's end and return."""
    scratch = scratch_of(private_cluster)
    async with talking_to(private_cluster) as agent:
        first, second = await two_kernels(agent)
        await agent.execute(first.id, "x = 41\nprint('early')")
        processes = working_in(scratch)
        assert len(processes) == 3
        await end(private_cluster, how)
    assert sorted(working_in(scratch)) == sorted(processes)
    await private_cluster.start("agent")
    async with talking_to(private_cluster) as agent:
        assert told(await agent.inventory()) == told({first.id: first, second.id: second})
        assert (await agent.execute(first.id, "x + 1")).result == "42"
        assert sorted(working_in(scratch)) == sorted(processes)
        assert hidden_aside(scratch) == {first.id, second.id}
        await agent.destroy(first.id)
        await agent.destroy(second.id)
    assert (working_in(scratch), hidden_aside(scratch)) == ([], set())
    assert (await health(private_cluster))["status"] == "ok"


async def test_slots_are_held_over_a_restart(private_cluster):
    async with talking_to(private_cluster) as agent:
        await agent.make(slots=Slots(8, 256))
        await private_cluster.kill("agent")
        await private_cluster.start("agent")
    async with talking_to(private_cluster) as agent:
        refused = await agent.put(ids.new(SystemClock()), agent.request())
        assert refused.code == "insufficient-capacity"


async def test_a_death_while_the_agent_is_away_is_told(private_cluster, vanished):
    async with talking_to(private_cluster) as agent:
        kernel = await agent.make()
        await private_cluster.kill("agent")
    os.kill(kernel.pid, signal.SIGKILL)
    await vanished(kernel.pid)
    await private_cluster.start("agent")
    async with talking_to(private_cluster) as agent:
        dead = await agent.show(kernel.id)
        assert (dead.status, dead.reason) == ("TERMINATED", "killed by signal 9 (SIGKILL)")


async def test_a_destroyed_id_stays_destroyed(private_cluster):
    async with talking_to(private_cluster) as agent:
        kernel = ids.new(SystemClock())
        await agent.destroy(kernel)
        await private_cluster.kill("agent")
        await private_cluster.start("agent")
    async with talking_to(private_cluster) as agent:
        late = await agent.put(kernel, agent.request())
        assert (late.status, late.code) == (409, "kernel-terminated")


async def test_a_registration_outlives_a_stop_until_its_lease_ends(private_cluster):
    keys = EtcdKeys(private_cluster.address("etcd"))
    assert await stop(private_cluster) == 0
    assert keys.get(REGISTRATION) is not None
    await until(lambda: keys.get(REGISTRATION) is None, within=10)
    keys.close()


async def test_a_stop_does_not_wait_for_code_that_runs(private_cluster):
    """Whoever waits for it is told that its outcome is not known: it goes on."""
    async with talking_to(private_cluster) as agent:
        kernel = await agent.make()
        mark = scratch_of(private_cluster) / kernel.id / "work" / "on"
        code = "import os, time\nopen('on', 'w')\nwhile os.path.exists('on'): time.sleep(0.001)\nx = 1"
        async with asyncio.TaskGroup() as group:
            running = group.create_task(agent.run(kernel.id, code))
            await until(mark.exists, within=5)
            assert await stop(private_cluster) == 0
    assert (running.result().status, running.result().code) == (504, "outcome-unknown")
    mark.unlink()
    await private_cluster.start("agent")
    async with talking_to(private_cluster) as agent:
        assert (await agent.execute(kernel.id, "x")).result == "1"


async def test_an_agent_without_kernels_leaves_no_process(private_cluster, vanished):
    (zygote,) = procfs.children(private_cluster.process("agent").pid)
    assert await stop(private_cluster) == 0
    await vanished(zygote)


@pytest.mark.allows_log(
    "record-damaged|orphan-ended", component="agent", reason="the test damages it"
)
async def test_a_damaged_record_costs_its_kernel_only(private_cluster, vanished):
    """Complaint: a broken scratch directory kept the agent from starting. What cannot be read is gone; the rest goes on."""
    scratch = scratch_of(private_cluster)
    async with talking_to(private_cluster) as agent:
        good, bad = await agent.make(), await agent.make()
        await private_cluster.kill("agent")
    (scratch / ".state" / f"{bad.id}.json").write_bytes(b"\0" * 100)
    await private_cluster.start("agent")
    async with talking_to(private_cluster) as agent:
        assert told(await agent.inventory()) == told({good.id: good})
        assert (await agent.execute(good.id, "6 * 7")).result == "42"
    await vanished(bad.pid)
    assert hidden_aside(scratch) == {good.id}
    state = await health(private_cluster)
    assert (state["code"], state["status"]) == (200, "degraded")
    assert bad.id in state["reason"]


@pytest.mark.parametrize("what", ["scratch", "scratch/.state", "scratch/.lock"])
async def test_an_agent_starts_without_what_is_gone(private_cluster, vanished, what):
    """Complaint: an agent whose scratch directory was gone did not start. It starts, and what nobody knows any more ends."""
    scratch = scratch_of(private_cluster)
    async with talking_to(private_cluster) as agent:
        kernel = await agent.make()
        await private_cluster.kill("agent")
    gone = scratch.parent / what
    gone.unlink() if gone.is_file() else shutil.rmtree(gone)
    await private_cluster.start("agent")
    async with talking_to(private_cluster) as agent:
        known = kernel.id in await agent.inventory()
        assert known == (what == "scratch/.lock")
        assert (await agent.execute((await agent.make()).id, "6 * 7")).result == "42"
    if not known:
        await vanished(kernel.pid)


@pytest.mark.allows_log("scratch-damaged", component="agent", reason="the test damages it")
async def test_a_file_in_place_of_the_scratch_directory_is_moved_aside(private_cluster):
    scratch = scratch_of(private_cluster)
    await stop(private_cluster)
    shutil.rmtree(scratch)
    scratch.write_text("junk")
    await private_cluster.start("agent")
    async with talking_to(private_cluster) as agent:
        assert (await agent.make()).status == "RUNNING"
    assert (await health(private_cluster))["status"] == "degraded"
    assert scratch.with_name("scratch.damaged").read_text() == "junk"


@pytest.mark.allows_log("zygote-replaced", component="agent", reason="the test stops it")
async def test_a_zygote_that_hangs_is_replaced(private_cluster, vanished):
    async with talking_to(private_cluster) as agent:
        kernel = await agent.make()
        pid = private_cluster.process("agent").pid
        (zygote,) = procfs.children(pid)
        await private_cluster.kill("agent")
    for stopped in (zygote, *procfs.children(zygote)):
        os.kill(stopped, signal.SIGSTOP)
    await private_cluster.start("agent")
    async with talking_to(private_cluster) as agent:
        dead = await agent.show(kernel.id)
        assert (dead.status, dead.reason) == ("TERMINATED", "ended while its agent was away")
        assert (await agent.make()).status == "RUNNING"
    await vanished(kernel.pid)


@pytest.mark.allows_log("ForkServerDied", component="agent", reason="the test kills the zygote")
async def test_an_agent_without_its_zygote_ends_and_says_why(private_cluster):
    process = private_cluster.process("agent")
    process.expect_exit()
    (zygote,) = procfs.children(process.pid)
    os.kill(zygote, signal.SIGKILL)
    exit_ = await process.wait()
    assert exit_.code == 1
    assert any("ForkServerDied" in str(line) for line in process.last_lines())


async def test_health_tells_a_lost_registration(private_cluster):
    async with aiohttp.ClientSession() as http:
        url = private_cluster.address("agent.http") + "/health"

        async def status():
            async with http.get(url) as answer:
                return answer.status

        assert await status() == 200
        await private_cluster.kill("redis")
        await until(status, within=5, satisfied=lambda code: code == 503)
        await private_cluster.start("redis")
        await until(status, within=5, satisfied=lambda code: code == 200)
