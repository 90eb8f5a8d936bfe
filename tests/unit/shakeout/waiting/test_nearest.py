"""How near a sample came to what was waited for, where anybody knows."""

import functools
import operator

import pytest

from shakeout.timeline import record
from shakeout.waiting import errors, nearest
from shakeout.waiting.until import until


@pytest.mark.parametrize(
    ("value", "wanted", "distance"),
    [
        (3, 5, 2.0),
        (True, False, 1.0),
        ({1, 2}, {2, 3}, 2.0),
        ({"a": 1, "b": 2}, {"a": 1, "c": 3}, 2.0),
        ([1, 2, 3], [1, 9], 2.0),
        ("PENDING", "RUNNING", None),
        (None, 3, None),
        ("a", ["a"], None),
    ],
)
def test_distance_counts_what_differs(value, wanted, distance):
    assert nearest.between(value, wanted) == distance


@pytest.mark.parametrize(
    "satisfied", [nearest.equals(5), functools.partial(operator.eq, 5), (5).__eq__]
)
def test_conditions_that_compare_can_be_measured(satisfied):
    measure = nearest.measure(satisfied)
    assert measure is not None
    assert measure(3) == 2.0


def test_other_conditions_cannot_be_measured():
    assert nearest.measure(bool) is None
    assert nearest.measure(lambda value: value == 5) is None


def test_at_least_is_as_far_as_the_rest():
    condition = nearest.at_least(5)
    assert condition(5)
    assert [condition.distance(each) for each in (3, 5, 9)] == [2.0, 0.0, 0.0]


async def test_a_wait_that_times_out_names_the_nearest_miss():
    values = iter([1, 4, 2])
    last = [0]

    def probe():
        last[0] = next(values, last[0])
        return last[0]

    with pytest.raises(errors.WaitTimedOut) as caught:
        await until(probe, within=0.05, satisfied=nearest.equals(5))
    assert caught.value.nearest.startswith("nearest miss: 4 at 0.")
    assert "nearest miss: 4 at" in str(caught.value)


async def test_a_wait_without_distance_names_what_was_seen_last():
    with pytest.raises(errors.WaitTimedOut) as caught:
        await until(lambda: "PENDING", within=0.01, satisfied=lambda seen: seen == "RUNNING")
    assert caught.value.nearest == "last seen: 'PENDING'"


async def test_a_wait_is_a_span_with_its_samples():
    recording = record.Recording()
    before = record.current.set(recording)
    try:
        await until(iter([0, 0, 7]).__next__, within=5, describe="it comes")
    finally:
        record.current.reset(before)
    (event,) = recording.events
    assert (event.kind, event.name) == ("wait", "it comes")
    assert [(run.text, run.count) for run in event.fields["samples"]] == [("0", 2), ("7", 1)]
    assert event.ended is not None
