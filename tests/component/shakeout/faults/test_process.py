"""Faults of processes on the example system: what each does to the world while it lasts, and that nothing is left of it."""

import asyncio

import pytest

from shakeout.faults import lifecycle
from shakeout.faults.process import Kill, Pause, Restart, SlowStart
from shakeout.process import procfs
from shakeout.system import loopback
from shakeout.system.progress import State
from shakeout.waiting.errors import WaitHopeless


def states(processes):
    return {found.state if (found := procfs.stat(one)) else "gone" for one in processes}


async def crash(cluster, name):
    """Have a component die as if by itself."""
    process = cluster.process(name)
    with pytest.raises(ConnectionResetError):
        await loopback.request(cluster.place(name).port("http"), "GET", "/crash")
    await process.wait()


async def crash_during(cluster, name, fault, **options):
    async with lifecycle.injected(fault, cluster, **options):
        await crash(cluster, name)


async def answers(cluster, name, within=0.1):
    try:
        async with asyncio.timeout(within):
            return (
                await loopback.request(cluster.place(name).port("http"), "GET", "/health")
            ).status
    except TimeoutError:
        return "silence"
    except ConnectionRefusedError:
        return "refusal"


async def test_killed_component_refuses_and_comes_back_as_another_process(booted, harbour):
    async with booted(harbour.small) as cluster:
        before = cluster.process("dinghy").pid
        async with lifecycle.injected(Kill("dinghy"), cluster):
            assert await answers(cluster, "dinghy") == "refusal"
            assert procfs.stat(before) is None
        assert await answers(cluster, "dinghy") == 200
        assert cluster.process("dinghy").pid != before
        assert cluster.deaths() == []


async def test_restarted_component_ends_by_itself(booted, harbour):
    async with booted(harbour.small) as cluster:
        process = cluster.process("dinghy")
        async with lifecycle.injected(Restart("dinghy"), cluster):
            assert process.exit.clean
        assert await answers(cluster, "dinghy") == 200


async def test_paused_component_is_silent_and_stays_the_same_process(booted, harbour):
    async with booted(harbour.small) as cluster:
        pid = cluster.process("dinghy").pid
        async with lifecycle.injected(Pause("dinghy"), cluster):
            assert states([pid]) == {"T"}
            assert await answers(cluster, "dinghy") == "silence"
        assert await answers(cluster, "dinghy") == 200
        assert cluster.process("dinghy").pid == pid


async def test_paused_server_stops_with_all_its_children(booted, harbour):
    async with booted(harbour.berths) as cluster:
        async with lifecycle.injected(Pause("postgres"), cluster):
            family = [one.pid for one in procfs.descendants(cluster.process("postgres").pid)]
            assert family
            assert states(family) == {"T"}
        assert "T" not in states(family)


async def test_slow_start_lives_but_does_not_answer(booted, harbour):
    async with booted(harbour.small) as cluster:
        async with lifecycle.injected(SlowStart("dinghy"), cluster):
            assert cluster.member("dinghy").state is State.STARTING
            assert await answers(cluster, "dinghy") == "silence"
        assert cluster.member("dinghy").state is State.READY


async def test_death_of_another_member_is_told_and_the_fault_undone(booted, harness_run, harbour):
    async with booted(harbour.system) as cluster:
        with pytest.raises(WaitHopeless, match="lighthouse exited with code 3"):
            await crash_during(cluster, "lighthouse", Kill("boat"))
        assert await answers(cluster, "boat") == 200
    harness_run.forget_failure()


async def test_death_that_is_allowed_is_made_good(booted, harness_run, harbour):
    async with booted(harbour.system) as cluster:
        await crash_during(cluster, "lighthouse", Kill("boat"), may_die=("lighthouse",))
        assert await answers(cluster, "lighthouse") == 200
        assert harness_run.failure is None
        assert not cluster.process("lighthouse").exit_expected
