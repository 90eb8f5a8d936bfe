"""Leased clusters: like booted ones, one user at a time, never dirty."""

import asyncio
import os
import signal

import pytest

from shakeout.broker import protocol
from shakeout.broker.errors import NotLeasable
from shakeout.broker.shape import Shape
from shakeout.process import procfs
from shakeout.process import protocol as packets
from shakeout.process.errors import ComponentDied
from shakeout.system.model import System
from shakeout.waiting.until import until


def pids(cluster):
    return {name: member.process.pid for name, member in cluster.members.items()}


async def test_lease_is_a_running_cluster(brokers, harbour, ask):
    lease = await brokers.lease(harbour.small)
    assert ask(lease.cluster)["pid"] == lease.cluster.process("dinghy").pid
    assert brokers.status()["leased"] == 1
    await lease.close()


async def test_returned_cluster_is_leased_again(brokers, harbour, ask):
    first = await brokers.lease(harbour.small)
    before = pids(first.cluster)
    await first.give_back()
    second = await brokers.lease(harbour.small)
    assert pids(second.cluster) == before
    assert ask(second.cluster)["pid"] == before["dinghy"]
    await second.close()


async def test_cluster_is_the_same_after_many_users(brokers, harbour):
    """Each user may start and stop things; the numbers by which a spawner knows them never meet."""
    for _ in range(5):
        lease = await brokers.lease(harbour.small)
        await lease.cluster.restart("dinghy")
        await lease.give_back()
    assert brokers.status()["used"] == 1


async def test_two_at_once_get_different_clusters(brokers, harbour):
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(brokers.lease(harbour.small)) for _ in range(2)]
    one, other = (task.result() for task in asked)
    assert one.run_id == other.run_id
    assert not set(pids(one.cluster).values()) & set(pids(other.cluster).values())
    for lease in (one, other):
        await lease.close()


async def test_dirty_cluster_is_never_leased_again(brokers, harbour):
    first = await brokers.lease(harbour.small)
    before = pids(first.cluster).values()
    await first.close()
    second = await brokers.lease(harbour.small)
    assert not set(before) & set(pids(second.cluster).values())
    await until(brokers.is_settled, within=10)
    assert not any(procfs.stat(pid) for pid in before)
    await second.close()


async def test_private_cluster_had_no_user_before(brokers, harbour):
    first = await brokers.lease(harbour.small)
    used = first.cluster.name
    await first.give_back()
    second = await brokers.lease(harbour.small, private=True)
    assert second.cluster.name != used
    await second.close()


async def test_cluster_is_returned_by_whoever_does_not_wait_for_the_answer(brokers, harbour, ask):
    """As a test process does that is killed while it returns: nobody gets a cluster that is being ended."""
    first = await brokers.lease(harbour.small)
    before = pids(first.cluster)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await first.give_back()
    second = await brokers.lease(harbour.small)
    assert pids(second.cluster) == before
    assert ask(second.cluster)["pid"] == before["dinghy"]
    await second.close()


async def test_used_cluster_stays_used_when_its_next_user_has_gone(brokers, harbour):
    first = await brokers.lease(harbour.small)
    used = first.cluster.name
    await first.give_back()
    (path,) = brokers.sockets()
    shape = Shape.of(harbour.small, {}, durable=False).message()
    await until(lambda: brokers.status()["fresh"] == 1, within=10)
    broker = brokers.status()["pid"]
    os.kill(broker, signal.SIGSTOP)
    with protocol.connect(path) as end:
        asked = {"do": "lease", "token": 1, "version": protocol.VERSION, "private": False}
        packets.send(end, asked | shape)
    os.kill(broker, signal.SIGCONT)
    await until(lambda: brokers.status()["leased"], within=5, satisfied=lambda count: not count)
    second = await brokers.lease(harbour.small, private=True)
    assert second.cluster.name != used
    await second.close()


async def test_next_cluster_is_booted_ahead(brokers, harbour):
    lease = await brokers.lease(harbour.small)
    await until(lambda: brokers.status()["fresh"] == 1, within=10)
    await lease.close()


async def test_member_is_killed_and_restarted_in_its_place(brokers, harbour, ask):
    lease = await brokers.lease(harbour.small)
    before = lease.cluster.process("dinghy").pid
    await lease.cluster.kill("dinghy")
    await until(lambda: procfs.stat(before) is None, within=2)
    await lease.cluster.start("dinghy")
    assert ask(lease.cluster)["pid"] == lease.cluster.process("dinghy").pid != before
    assert lease.failure is None
    await lease.close()


async def test_unasked_death_is_told_with_its_log(brokers, harbour):
    lease = await brokers.lease(harbour.small)
    told = asyncio.get_running_loop().create_future()
    lease.on_failure = told.set_result
    await lease.cluster.process("dinghy").signal(signal.SIGKILL)
    async with asyncio.timeout(5):
        death = await told
    assert isinstance(death, ComponentDied)
    assert str(death).startswith("dinghy was killed by SIGKILL")
    assert "/health" in str(death)
    await lease.close()


async def test_death_is_told_to_who_listens_after_it(brokers, harbour):
    lease = await brokers.lease(harbour.small)
    await lease.cluster.process("dinghy").signal(signal.SIGKILL)
    await until(lambda: lease.failure, within=5)
    told: list = []
    lease.tell_failures(told.append)
    assert [death.name for death in told] == ["dinghy"]
    await lease.close()


async def test_topology_is_as_asked_for(brokers, harbour):
    lease = await brokers.lease(harbour.small, {"dinghy": 2})
    assert lease.cluster.replicas("dinghy") == ("dinghy-1", "dinghy-2")
    await lease.close()


async def test_boot_that_fails_is_told(brokers, harbour):
    with pytest.raises(NotLeasable, match=r"ComponentDied: raft (?s:.*)cannot swim"):
        await brokers.lease(harbour.sinking)
    assert brokers.status()["leased"] == 0


async def test_system_of_no_module_is_not_leasable(brokers):
    with pytest.raises(NotLeasable, match="'nameless' is an attribute of no module"):
        await brokers.lease(System("nameless"))
    assert not brokers.sockets()
