"""The trace file, as the trace event format wants it."""

import json

import pytest

from shakeout.report import trace

PHASES = {"M", "X", "i", "C"}


@pytest.fixture
def events(story):
    return json.loads(trace.render(story()))["traceEvents"]


def test_trace_events_are_of_known_shape(events):
    for event in events:
        assert event["ph"] in PHASES
        assert isinstance(event["pid"], int)
        assert event["name"]
        if event["ph"] != "M":
            assert isinstance(event["ts"], int)
            assert event["ts"] >= 0
        if event["ph"] == "X":
            assert event["dur"] >= 1


def test_trace_names_a_process_for_the_test_and_each_component(events, evil):
    names = {each["args"]["name"] for each in events if each["name"] == "process_name"}
    assert names == {"test", "boat", evil}


def test_trace_holds_spans_with_their_duration_in_microseconds(events):
    (wait,) = (each for each in events if each.get("cat") == "wait")
    assert (wait["ts"], wait["dur"]) == (2_000_000, 1_000_000)


def test_trace_holds_log_lines_of_warning_and_up_only(events):
    names = {each["name"] for each in events if each["ph"] == "i"}
    assert "leaking\nbadly" in names
    assert "out" not in names


def test_trace_counts_cpu_and_memory(events):
    counters = [(each["name"], *each["args"].values()) for each in events if each["ph"] == "C"]
    assert ("CPU", 50.0) in counters
    assert ("memory", 2.0) in counters
