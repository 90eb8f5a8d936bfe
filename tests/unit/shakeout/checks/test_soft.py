"""Soft assertions: every check runs, and all that failed are told."""

import pytest

from shakeout.checks.soft import ChecksFailed, soft
from shakeout.timeline import record


def test_soft_checks_that_hold_say_nothing():
    with soft() as check:
        assert check(1 == 1, "one is one")


def checked(*held):
    with soft() as check:
        for number, each in enumerate(held):
            check(each, f"number {number}")


def test_soft_checks_all_run_and_are_told_together():
    with pytest.raises(ChecksFailed) as caught:
        checked(False, True, [])
    assert str(caught.value) == "2 of 3 checks failed: number 0\n  - number 0\n  - number 2"


def test_soft_checks_do_not_hide_an_error():
    def broken():
        with soft() as check:
            check(False, "the first")
            raise LookupError("no such boat")

    with pytest.raises(LookupError) as caught:
        broken()
    assert caught.value.__notes__ == ["before that a check failed: the first"]


def test_soft_checks_that_fail_are_on_the_timeline():
    recording = record.Recording()
    before = record.current.set(recording)
    try:
        with pytest.raises(ChecksFailed):
            checked(False)
    finally:
        record.current.reset(before)
    assert [event.name for event in recording.events] == ["check failed: number 0"]
