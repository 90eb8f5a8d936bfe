"""Faults of a component's clock, as the component itself tells the time."""

import json
import time

import pytest

from shakeout.faults import lifecycle
from shakeout.faults.clock import ClockJump, ClockSkew
from shakeout.faults.errors import FaultUnavailable
from shakeout.system import loopback
from shakeout.waiting.until import until

HOUR = 3600


async def ahead(cluster):
    """How many seconds the lighthouse is ahead of the machine."""
    answer = await loopback.request(cluster.place("lighthouse").port("http"), "GET", "/")
    return json.loads(answer.body)["time"] - time.time()  # noqa: TID251 - what the component's clock is compared with


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
async def test_clock_jumps_and_jumps_back(afloat, seconds):
    async with lifecycle.injected(ClockJump("lighthouse", seconds), afloat):
        assert await ahead(afloat) == pytest.approx(seconds, abs=60)
    assert await ahead(afloat) == pytest.approx(0, abs=60)


async def test_skewed_clock_goes_ever_further_away(afloat):
    async with lifecycle.injected(ClockSkew("lighthouse", rate=1000.0), afloat):
        first = await ahead(afloat)
        await until(lambda: ahead(afloat), satisfied=lambda now: now > first + 1, within=5)
    assert await ahead(afloat) == pytest.approx(0, abs=60)


async def test_restarted_component_keeps_its_wrong_clock(afloat):
    async with lifecycle.injected(ClockJump("lighthouse", HOUR), afloat):
        await afloat.restart("lighthouse")
        assert await ahead(afloat) == pytest.approx(HOUR, abs=60)


async def test_component_that_declares_no_clock_is_refused(afloat):
    with pytest.raises(FaultUnavailable, match="it does not declare clock=True"):
        await lifecycle.injected(ClockJump("boat"), afloat).__aenter__()
