"""Every fault of Shakeout's catalogue on every member of the platform where it applies; the matrix is printed at the end."""

import pytest

from quarterdeck.testing.invariants import Invariants
from shakeout.faults import catalogue, lifecycle, phase
from shakeout.faults.catalogue import CATALOGUE
from shakeout.waiting.until import until

SECONDS_MAX = 15


async def works(user):
    """A session can be made and does its work."""
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=SECONDS_MAX)
    assert (await session.execute("6 * 7")).result == "42"
    await session.terminate()
    await session.reaches("TERMINATED", within=SECONDS_MAX)


@pytest.mark.needs("s3")
@pytest.mark.links
@pytest.mark.disks
@pytest.mark.allows_log(
    "too many clients|Too many open files|out of system resource", reason="exhaustion"
)
@pytest.mark.parametrize("kind", CATALOGUE, ids=lambda kind: kind.name)
async def test_platform_works_after_a_fault(private_cluster, user, kind):
    """Whatever befalls one member, the platform is well afterwards. Inject, undo, run a session, look at the promises."""
    cluster = private_cluster
    catalogue.expect(cluster)
    judge = Invariants(cluster)
    for fault in [one for member in cluster.names for one in kind.faults(cluster, member)]:
        with phase.during(phase.IDLE):
            async with lifecycle.injected(fault, cluster, within=SECONDS_MAX):
                pass
        await works(user)
        await until(judge.snapshot, satisfied=lambda broken: not broken, within=SECONDS_MAX)
