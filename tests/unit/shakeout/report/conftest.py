"""The story of a failed test, for the tests of pages and trace files."""

import dataclasses

import pytest

from shakeout.report import rerun
from shakeout.report.model import Cause, Failure, Kind, Level, Line, Story, Usage
from shakeout.timeline.record import Event
from shakeout.waiting.samples import Samples

EVIL = "<script>alert('evil')</script><img src=x onerror=alert(1)>\"'&"
NODEID = "tests/test_boats.py::test_boats_come_home[3]"


@pytest.fixture
def evil():
    """Text that would do something in a page that does not escape it."""
    return EVIL


@pytest.fixture
def story():
    """A story; `story(nodeid=...)` makes a variant."""
    seen = Samples()
    seen.value(0.0, "OUT")
    seen.value(0.5, EVIL)
    cause = Cause(
        Kind.WAIT_TIMED_OUT, f"Waited 1 s in vain until {EVIL}", f"2 samples: {EVIL}", EVIL
    )
    whole = Story(
        NODEID,
        "product failed",
        1000.0,
        1004.0,
        failures=(Failure("call", 1003.0, cause, f"E  {EVIL}"),),
        rerun=rerun.commands(NODEID, rerun.Circumstances(7, pants=True)),
        facts={"seed": "7", EVIL: EVIL},
        events=(
            Event("step", "set up boats", 1000.0, 1001.0),
            Event("step", f"test {EVIL}", 1001.0, 1003.0, {"error": EVIL}),
            Event("wait", EVIL, 1002.0, 1003.0, {"samples": seen.changes(), "within": 1.0}),
            Event("fault", "kill boat", 1001.5, 1002.5, {"targets": ("boat",)}),
            Event("death", f"boat exited {EVIL}", 1002.9),
        ),
        lines=(
            Line(1000.5, "boat", Level.INFO, "out", "t1"),
            Line(1002.5, EVIL, Level.ERROR, EVIL, EVIL, {EVIL: EVIL}),
            Line(1002.6, "boat", Level.WARNING, "leaking\nbadly", "t1", {"litres": 7}),
        ),
        usages=(Usage(1000.0, "boat", 1.0, 1 << 20), Usage(1002.0, "boat", 2.0, 2 << 20)),
        dump=EVIL,
        reruns=(f"failed: {EVIL}",),
    )

    def variant(**changes):
        return dataclasses.replace(whole, **changes)

    return variant
