"""The proxy as a process: its death is told by name, its end leaves nothing, members come and go before it."""

import os
import signal

import pytest

from shakeout.links.behaviour import Behaviour
from shakeout.process import procfs
from shakeout.process.errors import ComponentDied


async def test_death_of_the_proxy_is_a_failure_of_the_run(booted, harness_run, harbour):
    async with booted(harbour.small, links=True) as cluster:
        os.kill(cluster.links.process.pid, signal.SIGKILL)
        failure = await harness_run.failed()
        harness_run.forget_failure()
        assert isinstance(failure, ComponentDied)
        assert str(failure).startswith("links was killed by SIGKILL")
        assert [death.name for death in cluster.deaths()] == ["links"]


async def test_change_after_the_death_of_the_proxy_says_so(booted, harness_run, harbour):
    async with booted(harbour.small, links=True) as cluster:
        link = cluster.links.link("test", "redis")
        os.kill(cluster.links.process.pid, signal.SIGKILL)
        with pytest.raises(ComponentDied, match="links was killed by SIGKILL"):
            await link.set(Behaviour.severed())
        with pytest.raises(ComponentDied, match="links was killed by SIGKILL"):
            await cluster.restart("dinghy")
    harness_run.forget_failure()


async def test_nothing_of_closed_links_is_left(booted, harness_run, harbour):
    async with booted(harbour.small, links=True) as cluster:
        directory = cluster.directory
        pids = [one.pid for one in cluster.processes().values()]
        link = cluster.links.link("test", "redis")
        async with link.probe() as probe:
            await link.set(Behaviour.black_hole())
            await probe.send(b"never arrives")
            await cluster.close()
            assert await probe.gone(within=5)
    assert not directory.exists()
    assert not any((found := procfs.stat(pid)) and found.alive for pid in pids)
    assert harness_run.failure is None


async def test_many_connections_come_and_go(booted, harbour):
    """The proxy keeps nothing of connections that are over."""
    async with booted(harbour.small, links=True) as cluster:
        link = cluster.links.link("test", "redis")
        pid = cluster.links.process.pid
        async with link.probe():
            before = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - a count
        for number in range(200):
            async with link.probe() as probe:
                await probe.send(b"x" * number)
        async with link.probe():
            assert len(os.listdir(f"/proc/{pid}/fd")) <= before + 4  # noqa: PTH208 - a count
        assert (await link.counters()).connections == 202
