"""A link is of those who connect: found out by their processes, whatever address they learnt from wherever."""

import dataclasses
import importlib
import sys
from urllib.parse import quote

import pytest

from shakeout.links.behaviour import Behaviour
from shakeout.system import loopback
from shakeout.system.model import Topology
from shakeout.waiting.until import until


@pytest.fixture
def quay(harbour):
    """The module of the system whose members call when told to."""
    return importlib.import_module("quay")


async def call(cluster, caller, target, by="self"):
    """Have a member connect to a target by way of its front."""
    url = quote(cluster.public_address(target))
    answer = await loopback.request(
        cluster.place(caller).port("http"), "GET", f"/call?url={url}&by={by}"
    )
    assert answer.status == 200


async def connections(cluster):
    """How many connections were made on each link."""
    return {
        f"{one.source} -> {one.target}": one.connections for one in await cluster.links.counters()
    }


async def test_first_act_of_a_process_is_its_own(booted, quay):
    """Its pid has not been told when it connects."""
    async with booted(quay.system, links=True) as cluster:
        assert await connections(cluster) == {"caller -> redis": 1}


@pytest.mark.parametrize("by", ["self", "child"])
@pytest.mark.parametrize("target", ["redis", "lighthouse.http"])
async def test_member_and_its_children_are_one_source(booted, quay, target, by):
    async with booted(quay.system, links=True) as cluster:
        before = (await connections(cluster)).get(f"caller -> {target.split('.')[0]}", 0)
        await call(cluster, "caller", target, by)
        found = await connections(cluster)
        assert found.pop(f"caller -> {target.split('.')[0]}") == before + 1
        assert all(name.startswith("caller -> ") for name in found)


@pytest.mark.parametrize("target", ["redis", "lighthouse.http"])
async def test_test_itself_is_a_source(booted, quay, target):
    async with booted(quay.system, links=True) as cluster:
        url = cluster.public_address(target)
        quay.ping(url)
        assert (await connections(cluster))[f"test -> {target.split('.')[0]}"] == 1


async def test_member_calls_itself_by_its_public_address(booted, quay):
    async with booted(quay.system, links=True) as cluster:
        await call(cluster, "caller", "caller")
        assert (await connections(cluster))["caller -> caller"] == 1


async def test_restarted_member_is_the_same_source(booted, quay):
    async with booted(quay.system, links=True) as cluster:
        await cluster.restart("caller")
        await call(cluster, "caller", "lighthouse.http")
        assert await connections(cluster) == {"caller -> redis": 2, "caller -> lighthouse": 1}


async def test_replicas_are_sources_and_targets_of_their_own(booted, quay):
    topology = Topology.of(caller=2, lighthouse=2)
    async with booted(quay.system, links=True, topology=topology) as cluster:
        await cluster.links.link("caller-1", "lighthouse-2").set(Behaviour.severed())
        for caller, target in (("caller-1", "lighthouse-1"), ("caller-2", "lighthouse-2")):
            await call(cluster, caller, target)
        with pytest.raises(ConnectionResetError):  # its handler fails
            await call(cluster, "caller-1", "lighthouse-2")
        found = await connections(cluster)
        assert found["caller-1 -> lighthouse-1"] == found["caller-2 -> lighthouse-2"] == 1
        assert found["caller-1 -> lighthouse-2"] == 1
        assert "caller-2 -> lighthouse-1" not in found


async def test_connection_that_a_dead_member_left_behind_is_gone(booted, quay):
    """A member that is killed with an open connection: its link is empty afterwards."""
    async with booted(quay.system, links=True) as cluster:
        await cluster.kill("caller")

        async def open_connections():
            return (await cluster.links.link("caller", "redis").counters()).open

        await until(open_connections, within=5, satisfied=lambda found: found == 0)


async def test_executables_are_sources_as_calls_are(booted, quay):
    """A member that is executed, not forked from the zygote."""
    script = f"import sys; sys.path[:] = {sys.path!r}; import quay; quay.call()"
    executed = dataclasses.replace(quay.CALLER, call="", argv=(sys.executable, "-c", script))
    system = dataclasses.replace(quay.system, components=(quay.LAMP, executed))
    async with booted(system, links=True) as cluster:
        await call(cluster, "caller", "lighthouse.http", "child")
        assert await connections(cluster) == {"caller -> redis": 1, "caller -> lighthouse": 1}


async def test_orphan_of_a_member_belongs_to_it(booted, quay):
    """A process whose parent has ended, so that no chain of parents leads to the member."""
    async with booted(quay.system, links=True) as cluster:
        await call(cluster, "caller", "lighthouse.http", "orphan")

        async def seen():
            return await connections(cluster)

        await until(
            seen,
            within=5,
            satisfied=lambda found: found == {"caller -> redis": 1, "caller -> lighthouse": 1},
        )
