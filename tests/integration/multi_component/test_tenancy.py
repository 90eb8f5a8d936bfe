"""A test's own place in a shared cluster is given back, whatever its test was torn away from."""

import asyncio
import contextlib

from quarterdeck.client.errors import ClientError
from quarterdeck.testing import tenancy


async def test_place_is_given_back_while_sessions_are_still_asked_for(cluster, observe):
    """What is under way when a test ends, ends, too. Leave with eight creations on their way; no row, process or slot of them is live."""
    async with asyncio.TaskGroup() as group, tenancy.tenant(cluster, "leaver") as user:
        for _ in range(8):
            group.create_task(asked_for(user))
    assert observe.live_kernels() == []
    assert observe.slots_in_use() == (0, 0)


async def asked_for(user):
    """Ask for a session; the user may have gone before the answer."""
    with contextlib.suppress(ClientError):
        await user.sessions.create()
