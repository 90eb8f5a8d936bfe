"""The table of verdicts: from the kinds of failures, and how reruns ended, to one of four answers."""

import pytest

from shakeout.report import verdict
from shakeout.report.model import Kind
from shakeout.report.verdict import Ending, Verdict

PASSED = Ending()


def failed(*kinds: Kind, signature: str = "the same") -> Ending:
    return Ending(kinds, tuple(signature for _ in kinds))


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((), Verdict.PASSED),
        ((Kind.ASSERTION,), Verdict.PRODUCT_FAILED),
        ((Kind.RAISED,), Verdict.PRODUCT_FAILED),
        ((Kind.WAIT_TIMED_OUT,), Verdict.PRODUCT_FAILED),
        ((Kind.COMPONENT_DIED,), Verdict.PRODUCT_FAILED),
        ((Kind.BAD_LOG,), Verdict.PRODUCT_FAILED),
        ((Kind.LEFTOVERS,), Verdict.PRODUCT_FAILED),
        ((Kind.SERVICE_DIED,), Verdict.INFRASTRUCTURE_FAILED),
        ((Kind.SERVICE_NOT_STARTED,), Verdict.INFRASTRUCTURE_FAILED),
        ((Kind.HARNESS_DIED,), Verdict.INFRASTRUCTURE_FAILED),
        ((Kind.MACHINE,), Verdict.INFRASTRUCTURE_FAILED),
        ((Kind.COULD_NOT_LOOK,), Verdict.INFRASTRUCTURE_FAILED),
        ((Kind.TEST_TIMED_OUT,), Verdict.UNKNOWN),
        ((Kind.INTERRUPTED,), Verdict.UNKNOWN),
        ((Kind.ASSERTION, Kind.LEFTOVERS), Verdict.PRODUCT_FAILED),
        ((Kind.ASSERTION, Kind.COULD_NOT_LOOK), Verdict.INFRASTRUCTURE_FAILED),
        ((Kind.TEST_TIMED_OUT, Kind.HARNESS_DIED), Verdict.INFRASTRUCTURE_FAILED),
    ],
)
def test_verdict_of_one_run(kinds, expected):
    assert verdict.judge(failed(*kinds)) is expected


def test_verdict_knows_every_kind_of_failure():
    assert set(verdict.BLAME) == set(Kind)


@pytest.mark.parametrize(
    ("reruns", "expected"),
    [
        ([failed(Kind.ASSERTION)], Verdict.PRODUCT_FAILED),
        ([failed(Kind.ASSERTION), PASSED], Verdict.FLAKY),
        ([PASSED], Verdict.FLAKY),
        ([failed(Kind.ASSERTION, signature="another")], Verdict.FLAKY),
        ([failed(Kind.COMPONENT_DIED)], Verdict.FLAKY),
        ([failed(Kind.HARNESS_DIED)], Verdict.PRODUCT_FAILED),
        ([failed(Kind.INTERRUPTED)], Verdict.PRODUCT_FAILED),
    ],
)
def test_verdict_of_a_failure_with_reruns(reruns, expected):
    assert verdict.judge(failed(Kind.ASSERTION), reruns) is expected


def test_verdict_of_a_passed_test_needs_no_rerun():
    assert verdict.judge(PASSED, [failed(Kind.ASSERTION)]) is Verdict.PASSED


def test_verdict_of_failed_infrastructure_is_not_flaky():
    assert verdict.judge(failed(Kind.SERVICE_DIED), [PASSED]) is Verdict.INFRASTRUCTURE_FAILED


def test_endings_are_told_in_words():
    assert PASSED.in_words() == "passed"
    assert failed(Kind.ASSERTION, signature="# == #").in_words() == "assertion failed: # == #"
