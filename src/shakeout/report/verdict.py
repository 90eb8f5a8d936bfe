"""From what happened to a test to the verdict on it: pure, one table.

Four ways not to pass are four different answers: the product failed, the machine or the harness failed, the same
test with the same seed ends in different ways, or nobody can tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shakeout.report.model import Kind


class Verdict(StrEnum):
    """The answer."""

    PASSED = "passed"
    SKIPPED = "skipped"
    PRODUCT_FAILED = "product failed"
    INFRASTRUCTURE_FAILED = "infrastructure failed"
    FLAKY = "flaky"
    UNKNOWN = "unknown"

    @property
    def is_failure(self) -> bool:
        """Whether somebody has to look at it."""
        return self not in (Verdict.PASSED, Verdict.SKIPPED)


BLAME: Mapping[Kind, Verdict] = {
    Kind.COMPONENT_DIED: Verdict.PRODUCT_FAILED,
    Kind.WAIT_TIMED_OUT: Verdict.PRODUCT_FAILED,
    Kind.ASSERTION: Verdict.PRODUCT_FAILED,
    Kind.BAD_LOG: Verdict.PRODUCT_FAILED,
    Kind.LEFTOVERS: Verdict.PRODUCT_FAILED,
    Kind.RAISED: Verdict.PRODUCT_FAILED,
    Kind.HARNESS_DIED: Verdict.INFRASTRUCTURE_FAILED,
    Kind.SERVICE_DIED: Verdict.INFRASTRUCTURE_FAILED,
    Kind.SERVICE_NOT_STARTED: Verdict.INFRASTRUCTURE_FAILED,
    Kind.MACHINE: Verdict.INFRASTRUCTURE_FAILED,
    Kind.COULD_NOT_LOOK: Verdict.INFRASTRUCTURE_FAILED,
    Kind.TEST_TIMED_OUT: Verdict.UNKNOWN,
    Kind.INTERRUPTED: Verdict.UNKNOWN,
}
"""Who is to blame for a failure of each kind. A test that times out without a death may itself be at fault."""


@dataclass(frozen=True)
class Ending:
    """How one run of a test ended; `kinds` and `signatures` of its failures in their order, none if it passed."""

    kinds: tuple[Kind, ...] = ()
    signatures: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.kinds

    def in_words(self) -> str:
        """`passed`, or how it failed."""
        if self.passed:
            return "passed"
        return f"{self.kinds[0]}: {self.signatures[0]}" if self.signatures[0] else self.kinds[0]

    def same_as(self, other: "Ending") -> bool:
        """Whether it failed first with the same thing."""
        return self.kinds[:1] == other.kinds[:1] and self.signatures[:1] == other.signatures[:1]


def judge(ending: Ending, reruns: Sequence[Ending] = ()) -> Verdict:
    """The verdict on a test that ended so, and whose reruns with the same seed ended so.

    Infrastructure that failed anywhere explains the other failures. Reruns that an interruption cut short, or
    in which only the infrastructure failed, tell nothing about flakiness.
    """
    if ending.passed:
        return Verdict.PASSED
    blamed = [BLAME[kind] for kind in ending.kinds]
    if Verdict.INFRASTRUCTURE_FAILED in blamed:
        return Verdict.INFRASTRUCTURE_FAILED
    if any(not rerun.same_as(ending) for rerun in reruns if _tells_something(rerun)):
        return Verdict.FLAKY
    return blamed[0]


def _tells_something(rerun: Ending) -> bool:
    return rerun.passed or all(BLAME[kind] is Verdict.PRODUCT_FAILED for kind in rerun.kinds)
