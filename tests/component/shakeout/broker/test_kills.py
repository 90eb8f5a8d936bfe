"""SIGKILL at random moments: of those who lease, and of the broker. Nothing is left, others go on, the next one works."""

import asyncio
import os
import random
import signal

import pytest

from shakeout.broker.errors import NoLease
from shakeout.process import procfs
from shakeout.process.errors import HarnessDied, ProcessError
from shakeout.waiting.until import until

SEEDS = range(4)
CLIENTS = 3
GONE_SECONDS_MAX = 5.0


@pytest.mark.parametrize("seed", SEEDS)
async def test_killed_clients_leave_nothing_and_harm_nobody(brokers, harbour, ask, seed):
    """Three lease, use and return without end and are killed while they do; the test's own cluster goes on."""
    rng = random.Random(seed)
    own = await brokers.lease(harbour.small)
    before = ask(own.cluster)["pid"]
    for client in [brokers.leaser() for _ in range(CLIENTS)]:
        if rng.random() < 0.7:
            await asyncio.to_thread(client.stdout.readline)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(rng.uniform(0, 0.5)):
                await asyncio.Event().wait()
        client.kill()
        client.wait()
        client.stdout.close()
    await until(lambda: brokers.status()["leased"] == 1, within=GONE_SECONDS_MAX)
    await until(brokers.is_settled, within=20)
    assert ask(own.cluster)["pid"] == before
    assert own.failure is None
    await own.close()


@pytest.mark.parametrize("seed", SEEDS)
async def test_killed_broker_leaves_nothing_and_the_next_one_works(brokers, harbour, ask, seed):
    """Killed while one cluster is in use and another is asked for."""
    rng = random.Random(seed)
    own = await brokers.lease(harbour.small)
    killed = brokers.status()["pid"]
    failed = asyncio.Event()
    own.on_failure = lambda _failure: failed.set()
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(use(brokers, harbour.small))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(rng.uniform(0, 0.4)):
                await asyncio.Event().wait()
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(GONE_SECONDS_MAX):
            await failed.wait()
    assert isinstance(own.failure, HarnessDied)
    assert "broker died" in str(own.failure)
    own.drop()
    assert asked.result() in ("used", "failed")
    await until(lambda: own.run_id not in brokers.left(), within=GONE_SECONDS_MAX)
    other = await brokers.lease(harbour.small)
    assert other.run_id != own.run_id
    assert ask(other.cluster)
    await other.close()


async def test_client_killed_while_its_child_lives_on_loses_its_cluster(brokers, harbour):
    """A child that inherited the connection does not keep the cluster alive."""
    own = await brokers.lease(harbour.small)
    client = brokers.leaser("--fork")
    await asyncio.to_thread(client.stdout.readline)
    assert brokers.status()["leased"] == 2
    client.kill()
    client.wait()
    client.stdout.close()
    await until(lambda: brokers.status()["leased"] == 1, within=GONE_SECONDS_MAX)
    await until(brokers.is_settled, within=20)
    await own.close()


async def use(brokers, system):
    """Lease and return once; how that ended."""
    try:
        lease = await brokers.lease(system, private=True)
    except (NoLease, ProcessError):
        return "failed"
    try:
        await lease.close()
    except ProcessError:
        return "failed"
    return "used"


async def test_cluster_that_lost_a_spawner_is_not_handed_over_and_still_ends(
    booted, harness_run, harbour
):
    """None of its channels is given away then, so that it hears the end of all its processes."""
    async with booted(harbour.system) as cluster:
        scope = cluster.host.scope
        boat = procfs.stat(cluster.process("boat").pid)
        assert boat is not None
        os.kill(boat.parent, signal.SIGKILL)
        await until(lambda: not cluster.member("boat").running, within=GONE_SECONDS_MAX)
        with pytest.raises(HarnessDied):
            scope.let_go()
        async with asyncio.timeout(GONE_SECONDS_MAX):
            await cluster.abandon()
    harness_run.forget_failure()
