"""What is known of a running cluster, and the names of tenants: without any process."""

import asyncio
import contextlib
import os
import types
from collections.abc import Mapping
from typing import Any

import pytest

from shakeout import tenants, usage
from shakeout.clusters import Clusters
from shakeout.process.errors import ComponentDied, HarnessDied, StartTimedOut
from shakeout.process.handle import Process
from shakeout.process.spawn import Exit
from shakeout.runner import Runner
from shakeout.running import EXIT_SECONDS_MAX, Running, Wanted
from shakeout.system import boot
from shakeout.system.cluster import Cluster
from shakeout.system.model import Component, System
from shakeout.system.progress import State

PID_OF_NOBODY = 1 << 30


def process(**exit_as: object):
    known = Exit(code=3) if exit_as.get("died") or exit_as.get("stopped") else None
    expected = bool(exit_as.get("stopped"))
    return types.SimpleNamespace(exit=known, exit_expected=expected, pid=7, last_lines=list)


def running(**processes) -> Running:
    members = {
        name: types.SimpleNamespace(name=name, process=one, running=one.exit is None)
        for name, one in processes.items()
    }
    cluster: Any = types.SimpleNamespace(members=members, links=None)
    cluster.processes = lambda: Cluster.processes(cluster)
    cluster.deaths = lambda: Cluster.deaths(cluster)
    return Running(Wanted(System("s")), cluster, asyncio.get_running_loop().create_future(), 0.1)


async def test_death_of_a_member_is_noted():
    found = running(manager=process(died=True), agent=process())
    found.note(ComponentDied("manager", Exit(code=3)))
    assert not found.usable
    assert isinstance(found.untold_death, ComponentDied)
    assert str(found.untold_death).startswith("manager exited with code 3")


async def test_death_in_another_cluster_is_not():
    """Members of different clusters have the same names."""
    found = running(manager=process(), agent=process())
    found.note(ComponentDied("manager", Exit(code=3)))
    assert found.usable


async def test_expected_end_is_no_death():
    found = running(manager=process(stopped=True))
    found.note(ComponentDied("manager", Exit(code=3)))
    assert found.usable


async def test_first_death_is_told_when_others_follow():
    found = running(agent=process(died=True), etcd=process(died=True))
    found.note(ComponentDied("etcd", Exit(code=3)))
    assert str(found.untold_death).startswith("etcd ")
    found.note(ComponentDied("agent", Exit(code=3)))
    assert str(found.untold_death).startswith("etcd ")


async def test_death_of_the_harness_concerns_every_cluster():
    found = running(manager=process())
    found.note(HarnessDied("reaper"))
    assert isinstance(found.untold_death, HarnessDied)


async def test_told_death_is_not_told_again():
    found = running(manager=process(died=True))
    found.note(ComponentDied("manager", Exit(code=3)))
    found.death_told = True
    assert found.untold_death is None
    assert not found.usable


async def test_pids_are_of_members_that_run():
    assert running(manager=process(), agent=process(died=True)).pids() == {"manager": 7}


async def test_exit_of_a_member_that_is_gone_is_waited_for():
    """The process has ended, but its spawner has not told so yet."""
    told = asyncio.Event()
    gone = process()
    gone.pid, gone.wait = PID_OF_NOBODY, told.wait
    asyncio.get_running_loop().call_later(0.02, told.set)
    await running(manager=gone).heard_of_ended()
    assert told.is_set()


async def test_exit_of_a_member_that_runs_is_not_waited_for():
    alive = process()
    alive.pid, alive.wait = os.getpid(), asyncio.Event().wait
    async with asyncio.timeout(EXIT_SECONDS_MAX / 2):
        await running(manager=alive).heard_of_ended()


SYSTEM = System("s", components=(Component("agent", argv=("agent",)),))


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (Wanted(SYSTEM), True),
        (Wanted(SYSTEM, needs=frozenset({"s3"})), True),
        (Wanted(SYSTEM, {"agent": 2}), False),
        (Wanted(SYSTEM, durable=True), False),
        (Wanted(SYSTEM, links=True), False),
        (Wanted(SYSTEM, disks=True), False),
        (Wanted(System("t")), False),
    ],
)
def test_one_cluster_serves_wishes_of_the_same_shape(other, same):
    assert Wanted(SYSTEM).same_shape(other) is same


def test_tenants_have_names_of_their_own():
    names = {tenants.name(7, "tests/test_a.py::test_a") for _ in range(100)}
    assert len(names) == 100
    assert all(name.isalnum() and len(name) < 20 for name in names)


def test_tenant_must_be_declared():
    with pytest.raises(tenants.TenantUndeclared):
        tenants.factory("")


def test_tenant_is_found_by_reference():
    found: object = tenants.factory("contextlib:nullcontext")
    assert found is contextlib.nullcontext


class FakeSupervisor:
    """Owns nothing."""

    async def close(self):
        return


class FakeCluster:
    """A cluster of one member that is dead or not, or does not let itself be stopped."""

    def __init__(self, *, died: bool = False, stuck: bool = False) -> None:
        one = process(died=died)
        self.members = {
            "agent": types.SimpleNamespace(name="agent", process=one, running=one.exit is None)
        }
        self.links = None
        self.stuck = stuck
        self.ended = ""

    def deaths(self: Any) -> list[ComponentDied]:
        return Cluster.deaths(self)

    def processes(self: Any) -> Mapping[str, Process]:
        return Cluster.processes(self)

    async def start(self, name):
        raise StartTimedOut(name, 1.0, "no answer", [])

    async def abandon(self):
        self.ended = "abandoned"

    async def close(self):
        self.ended = "closed"
        if self.stuck:
            raise OSError("stuck")


@pytest.fixture
def booting(monkeypatch):
    """Clusters that are made of fakes: `booting(fake, ...)`, in the order of their boots."""
    runners = []

    def make(*fakes: FakeCluster) -> Clusters:
        left = iter(fakes)

        async def booted(*_: object, **__: object) -> FakeCluster:
            return next(left)

        monkeypatch.setattr(boot, "boot", booted)
        runners.append(Runner())
        made = Clusters(runners[0])
        supervisor: Any = FakeSupervisor()
        made._supervisor = supervisor
        return made

    yield make
    for runner in runners:
        runner.close()


def test_death_during_the_boot_is_told_and_nobody_gets_the_cluster(booting):
    """The exit came when the cluster was not known yet: nobody else tells it."""
    dead, healthy = FakeCluster(died=True), FakeCluster()
    made = booting(dead, healthy)
    with pytest.raises(ComponentDied, match="agent exited with code 3"):
        made.shared(Wanted(SYSTEM))
    assert dead.ended == "abandoned"
    assert made.shared(Wanted(SYSTEM)).cluster is healthy


def test_service_that_does_not_start_costs_only_the_test_that_needs_it(booting):
    first, second = FakeCluster(), FakeCluster()
    made = booting(first, second)
    with pytest.raises(StartTimedOut):
        made.shared(Wanted(SYSTEM, needs=frozenset({"s3"})))
    assert made.shared(Wanted(SYSTEM)).cluster is second
    assert first.ended == "closed"


def test_cluster_that_cannot_be_stopped_keeps_no_other_running(booting):
    fakes = [FakeCluster(stuck=True), FakeCluster(stuck=True), FakeCluster()]
    made = booting(*fakes)
    for _ in fakes:
        made.private(Wanted(SYSTEM))
    with pytest.raises(OSError, match="stuck"):
        made.close()
    assert [fake.ended for fake in fakes] == ["closed"] * 3


def test_leak_check_that_cannot_be_closed_keeps_no_cluster_running(booting, monkeypatch):
    def fails(_running: Running) -> None:
        raise OSError("no such pool")

    fake = FakeCluster()
    made = booting(fake)
    monkeypatch.setattr(Running, "close_leak_check", fails)
    with pytest.raises(OSError, match="no such pool"):
        made.stop(made.private(Wanted(SYSTEM)))
    assert fake.ended == "closed"


def test_untold_deaths_are_told_together_first_cause_first():
    untold = [(ComponentDied(name, Exit(code=3)), "test_a") for name in ("etcd", "agent")]
    told: Any = types.SimpleNamespace(untold=untold)
    with pytest.raises(ExceptionGroup) as caught:
        usage.raise_untold(told)
    assert ["etcd exited" in str(one) for one in caught.value.exceptions] == [True, False]
    usage.raise_untold(told)


@pytest.mark.parametrize("broke_it", [False, True])
def test_member_that_does_not_answer_is_the_fault_of_the_test_that_broke_it(booting, broke_it):
    found = booting(FakeCluster()).private(Wanted(SYSTEM))
    agent: Any = found.cluster.members["agent"]
    agent.state = State.READY if broke_it else State.FAILED
    before = usage.states(found)
    agent.state = State.FAILED
    assert usage.changes(found, before) == (["agent is not ready"] if broke_it else [])
