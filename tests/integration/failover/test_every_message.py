"""The whole lives of sessions once for each message that they send over an edge: there it is lost, repeated, overtaken.

The platform comes to rest in a legal state in which nothing is left of the sessions, which live the same lives.
"""

import contextlib

import pytest

from shakeout.links.errors import LinksRefused
from shakeout.waiting.errors import WaitTimedOut
from shakeout.waiting.until import until
from tests.integration.failover.lives import EDGES, REPEATABLE, everywhere_on

OVERTAKEN_SECONDS_MAX = 0.15

pytestmark = [pytest.mark.links, pytest.mark.timeout(600)]


@pytest.mark.parametrize("edge", EDGES, ids="-".join)
async def test_each_message_lost(life, edge):
    """A lost message changes nothing but time. Lose each in turn, with its connection."""
    await everywhere_on(life, edge, lambda trap, _: trap.lose(), "lose")


@pytest.mark.parametrize("edge", REPEATABLE, ids="-".join)
async def test_each_request_repeated(life, edge):
    """A repeated request changes nothing. Let each in turn come twice."""
    await everywhere_on(
        *(life, edge, lambda trap, _: trap.repeat(), "repeat"),
        applies=lambda message: message.is_request,
    )


@pytest.mark.parametrize("edge", EDGES, ids="-".join)
async def test_each_message_overtaken(life, edge):
    """Order between connections means nothing. Hold each message until others of its link have passed."""

    async def hold(trap, _message):
        with contextlib.suppress(WaitTimedOut):  # nothing else is under way: it is only late
            await until(trap.later, satisfied=lambda n: n >= 2, within=OVERTAKEN_SECONDS_MAX)
        with contextlib.suppress(LinksRefused):  # its connection has ended meanwhile
            await trap.deliver()

    await everywhere_on(life, edge, hold, "overtake")
