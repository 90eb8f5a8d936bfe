"""What can be done to a running cluster: restart, stop, kill, close."""

import pytest

from shakeout.process import procfs
from shakeout.process.errors import ComponentDied
from shakeout.system import loopback
from shakeout.system.errors import Ambiguous, NameUnknown, NotRunning
from shakeout.system.model import Topology
from shakeout.system.progress import State


async def health(cluster, name):
    return (await loopback.request(cluster.place(name).port("http"), "GET", "/health")).status


async def test_a_restarted_component_is_another_process_at_the_same_address(booted, harbour):
    async with booted(harbour.small) as cluster:
        before = cluster.process("dinghy").pid, cluster.address("dinghy")
        await cluster.restart("dinghy")
        assert cluster.process("dinghy").pid != before[0]
        assert cluster.address("dinghy") == before[1]
        assert await health(cluster, "dinghy") == 200


async def test_a_stopped_component_refuses_connections_until_it_starts(booted, harbour):
    async with booted(harbour.small) as cluster:
        await cluster.stop("dinghy")
        with pytest.raises(ConnectionRefusedError):
            await health(cluster, "dinghy")
        with pytest.raises(NotRunning, match="dinghy is not running: it is stopped"):
            cluster.process("dinghy")
        await cluster.start("dinghy")
        assert await health(cluster, "dinghy") == 200


async def test_a_killed_component_is_no_failure_of_the_run(booted, harness_run, harbour):
    async with booted(harbour.small) as cluster:
        process = cluster.process("dinghy")
        await cluster.kill("dinghy")
        assert str(process.exit) == "was killed by SIGKILL"
        assert cluster.member("dinghy").state is State.STOPPED
        assert harness_run.failure is None
        await cluster.start("dinghy")


async def test_nobody_kills_what_has_ended(booted, harness_run, harbour):
    """Whoever means to kill must hear that there is nobody, and a death stays one. Kill one that crashed, and one that was stopped."""
    async with booted(harbour.small) as cluster:
        with pytest.raises(ConnectionResetError):
            await loopback.request(cluster.place("dinghy").port("http"), "GET", "/crash")
        with pytest.raises(NotRunning, match="dinghy is not running: it exited with code 3"):
            await cluster.kill("dinghy")
        assert [death.name for death in cluster.deaths()] == ["dinghy"]
        await cluster.start("dinghy")
        await cluster.stop("dinghy")
        with pytest.raises(NotRunning, match="dinghy is not running: it is stopped"):
            await cluster.kill("dinghy")
    harness_run.forget_failure()


async def test_a_component_that_dies_by_itself_is_a_failure_of_the_run(
    booted, harness_run, harbour
):
    async with booted(harbour.small) as cluster:
        with pytest.raises(ConnectionResetError):
            await loopback.request(cluster.place("dinghy").port("http"), "GET", "/crash")
        failure = await harness_run.failed()
    harness_run.forget_failure()
    assert isinstance(failure, ComponentDied)
    assert failure.name == "dinghy"
    assert "hit a rock" in str(failure)


async def test_nothing_of_a_closed_cluster_is_left(booted, harbour):
    async with booted(harbour.system) as cluster:
        pids = [cluster.process(name).pid for name in ("postgres", "redis", "etcd", "boat")]
        segments = {one.identifier for one in procfs.segments() if one.creator in pids}
    assert not [pid for pid in pids if (found := procfs.stat(pid)) and found.alive]
    assert not segments & {one.identifier for one in procfs.segments()}
    assert not cluster.directory.exists()


async def test_two_clusters_of_one_run_share_nothing(booted, harbour):
    async with booted(harbour.small) as one, booted(harbour.small) as other:
        assert one.address("dinghy") != other.address("dinghy")
        assert one.address("redis") != other.address("redis")
        await one.kill("dinghy")
        assert await health(other, "dinghy") == 200


async def test_a_name_that_means_several_replicas_asks_which(booted, harbour):
    async with booted(harbour.small, topology=Topology.of(dinghy=2)) as cluster:
        with pytest.raises(Ambiguous, match="say dinghy-1 or dinghy-2"):
            cluster.process("dinghy")
        with pytest.raises(NameUnknown, match="known are dinghy, redis"):
            cluster.process("dingy")
