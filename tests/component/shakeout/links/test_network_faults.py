"""Faults of the network on the harbour: each is seen to begin and to end, over TCP and over Unix sockets."""

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from shakeout.faults.network import (
    Bandwidth,
    BlackHole,
    Cut,
    CutOneWay,
    Delay,
    DropAfter,
    HalfOpen,
    Reset,
)
from shakeout.links.behaviour import Behaviour
from shakeout.waiting.until import until

TCP, UNIX = ("boat", "lighthouse"), ("lighthouse", "redis")


def believing_target(source, target):
    return HalfOpen(source, target, believer=target)


FAULTS: dict[str, Callable[..., Any]] = {
    "cut": Cut,
    "cut-one-way forth": CutOneWay,
    "cut-one-way back": partial(CutOneWay, direction="back"),
    "delay": partial(Delay, delay_seconds=0.03, jitter_seconds=0.01),
    "bandwidth": Bandwidth,
    "drop-after": partial(DropAfter, count=100),
    "reset": Reset,
    "half-open": HalfOpen,
    "half-open target": believing_target,
    "black-hole": BlackHole,
}
LASTING = [name for name in FAULTS if not name.startswith(("reset", "half-open"))]


@pytest.fixture(params=list(FAULTS.values()), ids=list(FAULTS))
def make(request):
    """Makes the fault for a link."""
    return request.param


@contextlib.asynccontextmanager
async def injected(fault, cluster):
    """For the time of a block whose beginning and end are seen."""

    async def effect():
        return await fault.missing_effect(cluster)

    async def recovery():
        return await fault.missing_recovery(cluster)

    assert fault.available(cluster) == ""
    await fault.inject(cluster)
    await until(effect, within=10, satisfied="".__eq__)
    yield
    await fault.recover(cluster)
    await until(recovery, within=10, satisfied="".__eq__)


@pytest.mark.parametrize("ends", [TCP, UNIX], ids=["tcp", "unix"])
async def test_fault_is_seen_to_begin_and_to_end(linked, make, ends):
    fault = make(*ends)
    assert fault.targets == ends
    async with injected(fault, linked):
        pass
    assert linked.links.link(*ends).behaviour == Behaviour()
    counters = await linked.links.link(*ends).counters()
    assert counters.waiting_forth == counters.waiting_back == 0


@pytest.mark.parametrize("name", LASTING)
async def test_effect_is_missing_where_nothing_was_done(linked, link, name):
    """A fault does not believe what was set, but what it sees: the link is restored behind its back."""
    fault = FAULTS[name](*TCP)
    await fault.inject(linked)
    await link(*TCP).restore()
    assert await fault.missing_effect(linked) != ""
    await fault.recover(linked)


@pytest.mark.parametrize("name", LASTING)
async def test_recovery_is_missing_while_the_fault_lasts(linked, link, name):
    fault = FAULTS[name](*TCP)
    async with injected(fault, linked):
        await link(*TCP).set(fault.behaviour)
        assert await fault.missing_recovery(linked) != ""


async def test_fault_says_why_it_is_not_available(booted, harbour, linked, make):
    assert "there are boat -> etcd, boat -> lighthouse" in make("boat", "redis").available(linked)
    assert "'moon'" in make("boat", "moon").available(linked)
    async with booted(harbour.small) as without:
        assert "@pytest.mark.links" in make("dinghy", "redis").available(without)
