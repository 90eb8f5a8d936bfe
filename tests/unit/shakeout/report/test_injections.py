"""Faults as recordings tell them: in which phase, how far, and what they are called."""

import pytest

from shakeout.report import injections, labels
from shakeout.report.injections import Injected
from shakeout.timeline.record import Event


def fault(**fields):
    return Event("fault", "kill", 2.0, 4.0, {"targets": ["boat"], **fields})


def test_a_fault_that_ended_well_has_recovered():
    assert injections.of([fault()]) == [Injected("kill", ("boat",), "unsaid", "recovered")]


@pytest.mark.parametrize(
    ("notes", "reached"),
    [
        ([], "injected"),
        (["effect of kill seen"], "effect seen"),
        (["effect of kill seen", "recovered from kill"], "recovered"),
    ],
)
def test_a_fault_that_ended_badly_got_as_far_as_its_notes_tell(notes, reached):
    events = [fault(error="x"), *(Event("fault", name, 3.0) for name in notes)]
    (found,) = injections.of(events)
    assert found.reached == reached


def test_notes_on_another_fault_do_not_count():
    (found,) = injections.of([fault(error="x"), Event("fault", "effect of cut seen", 9.0)])
    assert found.reached == "injected"


def test_the_phase_is_that_of_the_innermost_step_around():
    steps = [
        Event("step", "idle", 0.0, 9.0, {"phase": "idle"}),
        Event("step", "load", 1.0, 5.0, {"phase": "load"}),
        Event("step", "over", 1.0, 3.0, {"phase": "over"}),
    ]
    (found,) = injections.of([*steps, fault()])
    assert found.phase == "load"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (fault(), "kill boat"),
        (Event("fault", "cut", 0.0, 1.0, {"targets": ("boat", "pier")}), "cut boat -> pier"),
        (Event("fault", "kill boat", 0.0, 1.0, {"targets": "boat"}), "kill boat"),
        (Event("link", "boat -> pier", 0.0, None, {"does": "delay"}), "boat -> pier: delay"),
        (Event("operation", "read", 0.0, 1.0, {"key": "x"}), "read x"),
        (Event("wait", "it runs", 0.0, 1.0), "it runs"),
    ],
)
def test_events_are_called_by_what_happens(event, expected):
    assert labels.label(event) == expected
