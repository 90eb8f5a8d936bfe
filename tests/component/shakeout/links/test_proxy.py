"""The proxy as a process: its death is told by name, its end leaves nothing, members come and go before it."""

import asyncio
import os
import resource
import signal
import socket
from pathlib import Path

import pytest

from shakeout.links import endpoint, proxy
from shakeout.links.behaviour import Behaviour
from shakeout.links.endpoint import Tcp
from shakeout.links.errors import LinksRefused
from shakeout.process import procfs
from shakeout.process.errors import ComponentDied
from shakeout.waiting.until import until


def descriptors(pid):
    """How many a process has."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def connected(front):
    if isinstance(front, Tcp):
        return socket.create_connection((front.host, front.port))
    client = socket.socket(socket.AF_UNIX)
    client.connect(front.path)
    return client


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


async def test_change_by_a_proxy_that_stands_still_is_not_waited_for_for_ever(
    booted, harbour, monkeypatch
):
    async with booted(harbour.small, links=True) as cluster:
        os.kill(cluster.links.process.pid, signal.SIGSTOP)
        monkeypatch.setattr(proxy, "ANSWER_SECONDS_MAX", 0.2)
        with pytest.raises(
            LinksRefused, match=r"set: the links' process gave no answer in 0\.2 s"
        ):
            await cluster.links.link("test", "redis").set(Behaviour.severed())


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


@pytest.mark.parametrize("target", ["redis", "dinghy"])
async def test_proxy_without_descriptors_goes_on(booted, harbour, target):
    """Connections that it has no room for wait or end; those that it has live, and later ones work again."""
    async with booted(harbour.small, links=True) as cluster:
        link = cluster.links.link("test", target)
        pid = cluster.links.process.pid
        room = descriptors(pid) + 5
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (room, room))
        front = endpoint.of_url(cluster.public_address(target))
        async with link.probe() as probe:
            await probe.exchange(b"before")
            clients = [connected(front) for _ in range(20)]
            await probe.exchange(b"meanwhile")
            for client in clients:
                client.close()

        async def works():
            async with link.probe() as later, asyncio.timeout(1):
                await later.exchange(b"after")
            return True

        assert await until(works, within=10, retry_on=(OSError, asyncio.IncompleteReadError))


def only_the_last_of_all(told):
    """Whether all 202 connections have come, and 201 have gone."""
    return (told.connections, told.open) == (202, 1)


async def test_many_connections_come_and_go(booted, harbour):
    """The proxy keeps nothing of connections that are over."""
    async with booted(harbour.small, links=True) as cluster:
        link = cluster.links.link("test", "redis")
        pid = cluster.links.process.pid
        async with link.probe() as probe:
            await probe.exchange(b"there")
            before = descriptors(pid)
        for number in range(200):
            async with link.probe() as probe:
                await probe.send(b"x" * number)
        async with link.probe():
            await until(link.counters, within=5, satisfied=only_the_last_of_all)
            await until(lambda: descriptors(pid), within=5, satisfied=before.__eq__)
