"""The lattice of verdicts, and how findings are put together."""

import itertools

import pytest

from shakeout.checks.consistency.verdict import Validity, Verdict, all_of, invariant, merged
from shakeout.history.operation import History

VALID, UNKNOWN, INVALID = (Verdict(each, each.value) for each in Validity)


@pytest.mark.parametrize(
    ("parts", "worst"),
    [
        ((), Validity.VALID),
        ((VALID, VALID), Validity.VALID),
        ((VALID, UNKNOWN), Validity.UNKNOWN),
        ((UNKNOWN, INVALID, VALID), Validity.INVALID),
    ],
)
def test_of_several_findings_the_worst_counts_in_any_order(parts, worst):
    for order in itertools.permutations(parts):
        assert merged("all", order).validity is worst


def test_only_the_worst_findings_name_culprits_and_failing_checks():
    doubtful = Verdict(Validity.UNKNOWN, "doubt", "", (1,))
    bad = Verdict(Validity.INVALID, "bad", "so it is", (2, 3))
    whole = merged("all", [VALID, doubtful, merged("inner", [bad, VALID])])
    assert whole.culprits == (2, 3)
    assert whole.failing() == {"bad"}
    assert str(whole).splitlines() == [
        "all: invalid",
        "  valid: valid",
        "  doubt: unknown",
        "  inner: invalid",
        "    bad: invalid",
        "      so it is",
        "    valid: valid",
    ]


def test_checkers_are_composed_by_name():
    checker = all_of(
        {"never": invariant(lambda _history: ["never so"]), "ever": invariant(lambda _history: [])}
    )
    found = checker(History())
    assert found.failing() == {"never"}
    assert [part.check for part in found.parts] == ["never", "ever"]
