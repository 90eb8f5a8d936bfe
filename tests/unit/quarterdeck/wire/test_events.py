"""Stream entries come back as they were sent; others are passed over."""

import pytest

from quarterdeck.wire import events


@pytest.mark.parametrize("kind", events.EventKind)
def test_event_comes_back(kind):
    event = events.Event(kind, "k1")
    assert events.parse(event.fields()) == event


@pytest.mark.parametrize(
    "fields", [{}, {"kind": "kernel-changed"}, {"id": "x"}, {"kind": "?", "id": "x"}]
)
def test_unknown_entry_is_passed_over(fields):
    assert events.parse(fields) is None
