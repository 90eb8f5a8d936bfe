"""Every fault of the catalogue on every member of the example system: injected, seen, undone, and all are well again.

The matrix at the end of the run shows what does not apply, and why.
"""

import pytest

from shakeout.faults import health, lifecycle, phase
from shakeout.faults.catalogue import CATALOGUE

MEMBERS = ("postgres", "redis", "etcd", "s3", "lighthouse", "boat")


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("kind", CATALOGUE, ids=lambda kind: kind.name)
async def test_fault_is_seen_and_undone(afloat, kind, member):
    faults = kind.faults(afloat, member)
    assert bool(faults) != bool(kind.reason(afloat, member))
    for fault in faults:
        with phase.during(phase.IDLE):
            async with lifecycle.injected(fault, afloat):
                assert await fault.missing_effect(afloat) == ""
        assert await health.missing(afloat, MEMBERS) == ""
        assert afloat.deaths() == []
