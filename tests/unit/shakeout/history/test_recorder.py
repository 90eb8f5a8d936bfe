"""What is recorded of operations: times, results, and what an error says about the outcome."""

import asyncio
import itertools

import pytest

from shakeout.history import errors
from shakeout.history.operation import History, Operation, Outcome, frozen
from shakeout.history.recorder import Outcomes, Recorder
from shakeout.timeline import record
from shakeout.timeline.record import Recording


class Refused(Exception):
    """The server said no."""


class RefusedPolitely(Refused):
    """The server said no, and yet something may have happened."""


TABLE: Outcomes = {
    Refused: Outcome.FAIL,
    RefusedPolitely: Outcome.UNKNOWN,
    OSError: Outcome.UNKNOWN,
}


@pytest.fixture
def recorder():
    return Recorder(TABLE, clock=itertools.count(1).__next__)


async def within(limit, coroutine):
    async with limit:
        await coroutine


def only(recorder):
    (found,) = recorder.history()
    return found


def test_an_operation_that_returns_is_ok_with_its_result_and_times(recorder):
    with recorder.operation("write", "x", 1, process="client-1") as attempt:
        attempt.result = [1, None]
    assert only(recorder) == Operation(
        0, "client-1", "write", "x", (1,), 1, 2, Outcome.OK, (1, None)
    )


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Refused("no"), Outcome.FAIL),
        (RefusedPolitely("no, sorry"), Outcome.UNKNOWN),
        (ConnectionResetError("gone"), Outcome.UNKNOWN),
        (ValueError("not in the table"), Outcome.UNKNOWN),
        (asyncio.CancelledError(), Outcome.UNKNOWN),
        (KeyboardInterrupt(), Outcome.UNKNOWN),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_nearest_class_in_the_table_tells_the_outcome_of_an_error(recorder, error, outcome):
    with pytest.raises(type(error)), recorder.operation("write", "x", 1):
        raise error
    found = only(recorder)
    assert found.outcome is outcome
    assert found.ended == (None if outcome is Outcome.UNKNOWN else 2)
    assert found.error.startswith(type(error).__name__)


def test_a_failure_can_be_told_without_an_error(recorder):
    with recorder.operation("write", "x", 1) as attempt:
        attempt.failed = "refused"
    assert (only(recorder).outcome, only(recorder).error) == (Outcome.FAIL, "refused")


def test_an_operation_under_way_is_unknown(recorder):
    with recorder.operation("write", "x", 1):
        assert only(recorder).outcome is Outcome.UNKNOWN


async def test_a_cancelled_operation_is_unknown(recorder):
    async def never():
        with recorder.operation("write", "x", 1):
            await asyncio.Event().wait()

    limit = asyncio.timeout(0)
    with pytest.raises(TimeoutError):
        await within(limit, never())
    assert only(recorder).outcome is Outcome.UNKNOWN


def test_a_full_history_takes_no_further_operation():
    recorder = Recorder(operations_max=1)
    with recorder.operation("read", "x"):
        pass
    with pytest.raises(errors.HistoryFull, match="no verdict"), recorder.operation("read", "x"):
        pytest.fail("it must not be done when it cannot be recorded")


def test_each_operation_is_a_span_of_the_timeline(recorder):
    recording = Recording(clock=itertools.count(1.0).__next__)
    token = record.current.set(recording)
    with recorder.operation("write", "x", 1, process="client-1"):
        pass
    record.current.reset(token)
    (event,) = recording.events
    assert (event.kind, event.name) == ("operation", "write")
    assert event.fields["text"] == "#0 client-1: write(x, 1) -> ok"
    assert event.fields["outcome"] == "ok"


def test_a_result_that_json_cannot_say_is_refused(recorder):
    with pytest.raises(TypeError, match="not dict"), recorder.operation("read", "x") as attempt:
        attempt.result = {"a": 1}
    assert frozen([1, [2, "three"]]) == (1, (2, "three"))


def test_a_history_can_be_narrowed_to_actions_and_keys():
    one, other, third = (
        Operation(number, "p", action, key, (), number)
        for number, (action, key) in enumerate([("read", "x"), ("add", "y"), ("read", "y")])
    )
    history = History((one, other, third))
    assert history.only("read").operations == (one, third)
    assert history.by_key() == {"x": [one], "y": [other, third]}
