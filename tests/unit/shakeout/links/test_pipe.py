"""One direction of a connection: what may pass when, by a clock of the test's own."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shakeout.links.behaviour import Flow
from shakeout.links.pipe import BUFFER_BYTES_MAX, End, Pipe

MOMENTS = st.lists(st.floats(0, 10, allow_subnormal=False), min_size=1, max_size=30).map(sorted)


def pipe(**flow) -> Pipe:
    return Pipe(Flow(**flow), random.Random(7))


def drained(made: Pipe, now: float) -> bytes:
    """All that passes at this moment."""
    found = b""
    while data := made.ready(now):
        made.take(len(data), now)
        found += data
    return found


def test_plain_pipe_lets_pass_at_once():
    made = pipe()
    made.put(b"ab", 1.0)
    made.put(b"cd", 1.0)
    assert drained(made, 1.0) == b"abcd"
    assert made.passed == 4


def test_bytes_go_past_an_empty_plain_pipe_alone():
    assert pipe().direct
    assert not pipe(held=True).direct
    waiting = pipe()
    waiting.put(b"a", 0)
    assert not waiting.direct


def test_part_that_was_sent_does_not_come_again():
    made = pipe()
    made.put(b"abcd", 0)
    made.take(1, 0)
    assert (made.ready(0), made.size) == (b"bcd", 3)


def test_delayed_bytes_pass_when_they_are_due():
    made = pipe(delay_seconds=0.5)
    made.put(b"a", 1.0)
    assert made.ready(1.49) == b""
    assert made.wake_at() == 1.5
    assert drained(made, 1.5) == b"a"
    assert made.wake_at() is None


@given(MOMENTS)
def test_jitter_never_changes_the_order(moments):
    """Each piece is late by the delay give or take the jitter, or more when one before it is."""
    made = pipe(delay_seconds=0.2, jitter_seconds=0.2)
    for number, moment in enumerate(moments):
        made.put(bytes([number]), moment)
    assert made.wake_at() >= moments[0]
    assert drained(made, moments[-1] + 0.4) == bytes(range(len(moments)))


@given(st.integers(1, 10_000), st.integers(1, 5000))
def test_limited_rate_is_kept(rate, count):
    """Whatever is sent, after so much time no more has passed than the rate allows, and a slice."""
    made = pipe(bytes_per_second=rate)
    made.put(bytes(count), 0.0)
    now, passed = 0.0, 0
    while now <= 1.0 and made.size:
        passed += len(drained(made, now))
        assert passed <= rate * now + max(1, rate * 0.02) + 1e-6
        now = made.wake_at() or 2.0
    assert made.size == 0 or passed >= 0.9 * rate


def test_held_pipe_keeps_bytes_and_end_until_it_is_restored():
    made = pipe(held=True)
    made.put(b"a", 0)
    made.finish(End.SHUT, 0)
    assert (made.ready(9), made.ended(9), made.wake_at()) == (b"", None, None)
    made.change(Flow())
    assert drained(made, 9) == b"a"
    assert made.ended(9) is End.SHUT


def test_restored_pipe_does_not_wait_for_an_old_delay():
    made = pipe(delay_seconds=60)
    made.put(b"a", 0)
    made.finish(End.SHUT, 0)
    made.change(Flow())
    assert drained(made, 0.1) == b"a"
    assert made.ended(0.1) is End.SHUT


def test_end_is_told_after_all_bytes_and_as_late_as_they():
    made = pipe(delay_seconds=1)
    made.put(b"a", 0)
    made.finish(End.SHUT, 0.5)
    assert drained(made, 1) == b"a"
    assert made.ended(1) is None
    assert made.wake_at() == 1.5
    assert made.ended(1.5) is End.SHUT


def test_reset_outdoes_an_end():
    made = pipe()
    made.finish(End.RESET, 0)
    made.finish(End.SHUT, 0)
    assert made.ended(0) is End.RESET


@pytest.mark.parametrize("before", [0, 5])
def test_limit_counts_from_when_it_was_set(before):
    made = pipe()
    made.passes(before)
    made.change(Flow(reset_after_bytes=3))
    assert not made.exhausted
    made.put(b"abcdef", 0)
    assert drained(made, 0) == b"abc"
    assert made.exhausted


def test_full_pipe_says_so():
    made = pipe(held=True)
    made.put(bytes(BUFFER_BYTES_MAX - 1), 0)
    assert not made.full
    made.put(b"a", 0)
    assert made.full
