"""Boots of the example system: parallel starts, addresses, replicas, and what ends a boot."""

import dataclasses
import json

import pytest

from shakeout.process.errors import ComponentDied, StartTimedOut
from shakeout.system import boot, loopback
from shakeout.system.errors import NameUnknown
from shakeout.system.model import Component, HttpReady, System, Topology
from shakeout.system.progress import State, Step


async def told(cluster, name):
    """What the component says of itself."""
    answer = await loopback.request(cluster.place(name).port("http"), "GET", "/")
    return json.loads(answer.body)


async def test_every_member_of_a_booted_system_answers(booted, harbour):
    async with booted(harbour.system) as cluster:
        lighthouse = await told(cluster, "lighthouse")
        assert lighthouse["pid"] == cluster.process("lighthouse").pid
        assert lighthouse["HARBOUR_POSTGRES"] == cluster.address("postgres.harbour")
        boat = await told(cluster, "boat")
        assert boat["HARBOUR_LIGHTHOUSE"] == cluster.address("lighthouse")


async def test_replicas_get_numbers_and_addresses_of_their_own(booted, harbour):
    async with booted(harbour.system, topology=Topology.of(boat=2)) as cluster:
        assert cluster.replicas("boat") == ("boat-1", "boat-2")
        first, second = await told(cluster, "boat-1"), await told(cluster, "boat-2")
    assert (first["HARBOUR_INDEX"], second["HARBOUR_INDEX"]) == ("1", "2")
    assert first["pid"] != second["pid"]


async def test_an_optional_service_starts_only_when_somebody_asks(booted, harbour):
    async with booted(harbour.system) as cluster:
        assert cluster.member("s3").state is State.IDLE
        await cluster.begin("s3")
        await cluster.start("s3")
        assert cluster.member("s3").state is State.READY


async def test_dependents_start_after_what_they_need(booted, harbour):
    steps: list[Step] = []
    async with booted(harbour.system, tell=steps.append):
        pass
    order = [(step.member, step.state) for step in steps]
    ready = State.READY
    starting = order.index(("lighthouse", State.STARTING))
    assert max(order.index(("postgres", ready)), order.index(("redis", ready))) < starting
    assert order.index(("lighthouse", ready)) < order.index(("boat", State.STARTING))


async def test_a_crash_at_the_start_ends_the_boot_with_the_last_lines(harness_run, harbour):
    began: list[Step] = []
    with pytest.raises(ComponentDied) as caught:
        await boot.boot(harbour.sinking, harness_run, name="sinking", tell=began.append)
    assert caught.value.name == "raft"
    assert [line.event for line in caught.value.lines] == ["taking on water", "cannot swim"]
    assert [step.state for step in began if step.member == "raft"][-1] is State.FAILED
    assert not (harness_run.run_directory / "sinking").exists()
    assert harness_run.failure is None


async def test_a_death_after_its_own_start_ends_the_boot_too(harness_run, harbour):
    lighthouse = dataclasses.replace(harbour.LIGHTHOUSE, environment=lambda _place: {}, edges=())
    boat = dataclasses.replace(harbour.BOAT, call="harbour:mutiny", edges=("lighthouse.http",))
    with pytest.raises(ComponentDied, match="lighthouse exited with code 3"):
        await boot.boot(
            System("mutiny", components=(lighthouse, boat)), harness_run, name="mutiny"
        )
    assert not (harness_run.run_directory / "mutiny").exists()
    harness_run.forget_failure()


async def test_a_member_that_never_answers_is_told_with_its_last_answer(harness_run, harbour):
    ready = HttpReady("http", "/health", within_seconds=0.5)
    aground = dataclasses.replace(
        harbour.LIGHTHOUSE, environment=lambda _place: {"AGROUND": "yes"}, ready=ready, edges=()
    )
    with pytest.raises(StartTimedOut, match=r"lighthouse not ready within 0.5 s: .*503"):
        await boot.boot(System("aground", components=(aground,)), harness_run, name="aground")


async def test_a_program_that_does_not_exist_is_told_by_name(harness_run):
    ghost = Component("ghost", argv=("/nowhere/ghost",))
    with pytest.raises(Exception, match="ghost could not be started: /nowhere/ghost"):
        await boot.boot(System("ghosts", components=(ghost,)), harness_run, name="ghosts")


async def test_a_topology_of_nobody_is_refused_before_anything_starts(harness_run, harbour):
    with pytest.raises(NameUnknown, match="the topology names 'submarine'"):
        await boot.boot(
            harbour.system, harness_run, name="none", topology=Topology.of(submarine=1)
        )
