"""What ran: one outcome a test, counted by file. Filled from reports on disk or of this process."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

NODEID = "nodeid"  # property of a test case in reports
TYPED_SKIP = (
    "prerequisite missing: "  # how the reason of an accepted skip begins, see `shakeout.skips`
)


class Outcome(IntEnum):
    """How a test ended; of several outcomes of one test the greatest counts."""

    PASSED = 0
    SKIPPED = 1
    FAILED = 2


@dataclass(frozen=True)
class Ran:
    """One outcome of one test, or of one phase of it."""

    nodeid: str
    outcome: Outcome
    reason: str = ""
    """Of a skip."""


class Tally:
    """Outcomes by test; the same test told twice counts once."""

    def __init__(self, rans: Iterable[Ran] = ()) -> None:
        self._worst: dict[str, Ran] = {}
        for ran in rans:
            self.add(ran)

    def add(self, ran: Ran) -> None:
        known = self._worst.get(ran.nodeid)
        if known is None or ran.outcome > known.outcome:
            self._worst[ran.nodeid] = ran

    @property
    def tests(self) -> Mapping[str, Ran]:
        """Outcome by nodeid."""
        return self._worst

    def by_file(self) -> dict[str, int]:
        """How many tests of each file were run, or left out for a typed reason."""
        return dict(Counter(file_of(nodeid) for nodeid in self._worst))

    def count(self, outcome: Outcome) -> int:
        return sum(ran.outcome is outcome for ran in self._worst.values())

    def skips(self) -> list[Ran]:
        return [ran for ran in self._worst.values() if ran.outcome is Outcome.SKIPPED]

    def summary(self) -> str:
        """`N passed, N failed, N skipped`."""
        passed, failed, skipped = map(
            self.count, (Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED)
        )
        return f"{passed} passed, {failed} failed, {skipped} skipped"


def file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]
