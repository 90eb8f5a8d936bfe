"""Start, stop and death of an agent process: no kernel outlives it, and what it left is cleaned up by the next."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import aiohttp
import pytest

from quarterdeck.testing import layout
from quarterdeck.testing import system as quarterdeck_system
from quarterdeck.testing.agent_client import Agent
from quarterdeck.testing.etcd_keys import EtcdKeys
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


async def test_a_graceful_stop_ends_kernels_and_removes_what_they_left(private_cluster):
    keys = EtcdKeys(private_cluster.address("etcd"))
    async with talking_to(private_cluster) as agent:
        await two_kernels(agent)
        process = private_cluster.process("agent")
        process.expect_exit()
        exit_ = await process.stop(5)
    assert exit_.code == 0
    assert working_in(scratch_of(private_cluster)) == []
    assert [path.name for path in scratch_of(private_cluster).iterdir()] == [".lock"]
    assert keys.get(REGISTRATION) is None
    keys.close()


async def test_a_stop_does_not_wait_for_code_that_runs(private_cluster):
    async with talking_to(private_cluster) as agent:
        kernel = await agent.make()
        async with asyncio.TaskGroup() as group:
            running = group.create_task(agent.run(kernel.id, "open('on', 'w')\nwhile True: pass"))
            mark = scratch_of(private_cluster) / kernel.id / "work" / "on"
            await until(mark.exists, within=5)
            process = private_cluster.process("agent")
            process.expect_exit()
            assert (await process.stop(5)).code == 0
    assert (running.result().status, running.result().code) == (409, "kernel-terminated")


async def test_nothing_outlives_a_killed_agent_and_the_next_one_cleans_up(
    private_cluster, vanished
):
    scratch = scratch_of(private_cluster)
    async with talking_to(private_cluster) as agent:
        first, second = await two_kernels(agent)
        processes = working_in(scratch)
        assert len(processes) == 3
        await private_cluster.kill("agent")
    for pid in processes:
        await vanished(pid)
    assert {first.id, second.id} < {path.name for path in scratch.iterdir()}
    await private_cluster.start("agent")
    assert [path.name for path in scratch.iterdir()] == [".lock"]
    async with talking_to(private_cluster) as agent:
        assert await agent.inventory() == {}
        assert (await agent.make()).status == "RUNNING"


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
