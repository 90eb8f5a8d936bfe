"""The life of a session of two requests that wait, once for each message that it sends over an edge: there a process is killed, or it is lost.

Its first code goes with its kernel, and its end is claimed with the statement that begins it: both have messages of their own.
"""

import pytest

from tests.integration.failover.lives import (
    FROM_CLIENT,
    TO_AGENT,
    everywhere_on,
    kill_at_each_message,
)

POSTGRES = ("manager", "postgres")
DEATHS = [(FROM_CLIENT, "manager"), (POSTGRES, "manager"), (TO_AGENT, "agent")]

pytestmark = [pytest.mark.links, pytest.mark.timeout(600)]


@pytest.mark.parametrize(("edge", "victim"), DEATHS, ids=["client", "postgres", "agent"])
async def test_killed_at_each_message_of_two_requests(life, edge, victim):
    """Two requests survive a death at each of their steps. A message that waits at the death is lost."""
    await kill_at_each_message(life, edge, victim, arrives=False, promptly=True)


@pytest.mark.parametrize("edge", [FROM_CLIENT, POSTGRES, TO_AGENT], ids="-".join)
async def test_each_message_of_two_requests_lost(life, edge):
    """A lost message changes nothing but time. Lose each in turn, with its connection."""
    await everywhere_on(
        *(life, edge, lambda trap, _: trap.lose(), "lose, two requests"),
        undisturbed=life.live_promptly,
    )
