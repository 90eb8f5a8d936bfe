"""The whole lives of sessions once for each message that they send over an edge: there a process is killed, and the message is lost.

The platform comes to rest in a legal state in which nothing is left of the sessions.
"""

import pytest

from tests.integration.failover.lives import KILL_IDS, KILLS, kill_at_each_message

pytestmark = [pytest.mark.links, pytest.mark.timeout(600)]


@pytest.mark.parametrize(("edge", "victim"), KILLS, ids=KILL_IDS)
async def test_killed_at_each_message(life, edge, victim):
    """Create, execute and terminate survive a death at each of their steps. A message that waits at the death is lost."""
    await kill_at_each_message(life, edge, victim, arrives=False)
