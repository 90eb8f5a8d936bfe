"""Recordings: what is kept of events and spans, and that nothing is without one."""

import itertools

import pytest

from shakeout.timeline import record
from shakeout.timeline.record import Event, Recording


@pytest.fixture
def recording():
    """A current recording whose clock counts."""
    made = Recording(clock=itertools.count(1.0).__next__)
    token = record.current.set(made)
    yield made
    record.current.reset(token)


def test_a_span_keeps_its_times_and_what_was_added(recording):
    with record.span("fault", "kill", target="manager") as fields:
        record.note("step", "inside")
        fields["pid"] = 7
    assert recording.events == [
        Event("fault", "kill", 1.0, 3.0, {"target": "manager", "pid": 7}),
        Event("step", "inside", 2.0),
    ]


def test_a_span_keeps_the_error_that_ends_it(recording):
    with pytest.raises(KeyError), record.span("wait", "for a key"):
        raise KeyError("key")
    assert recording.events[0].fields == {"error": "KeyError: 'key'"}
    assert recording.events[0].ended == 2.0


def test_without_a_recording_nothing_is_kept():
    record.note("step", "lost")
    with record.span("step", "lost", why="nobody listens") as fields:
        assert fields == {"why": "nobody listens"}


def test_events_beyond_the_bound_are_counted(recording, monkeypatch):
    monkeypatch.setattr(record, "EVENTS_MAX", 1)
    for _ in range(3):
        record.note("step", "again")
    assert (len(recording.events), recording.left_out) == (1, 2)
