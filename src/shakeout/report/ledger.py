"""The ledger of outcomes: how each test ended in past runs, one JSON line each. Tells flaky tests; quarantines nobody.

Many processes append to one file, so that writing is locked; when it has grown too large its older half goes.
"""

import fcntl
import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "outcomes.jsonl"
BYTES_MAX = 8 << 20
CONFIDENCE = 1.96  # standard deviations: 95 %


@dataclass(frozen=True)
class Outcome:
    """How one test ended once; `system` tells projects apart that use the same names."""

    nodeid: str
    system: str
    verdict: str
    seed: int
    at: float


@dataclass(frozen=True)
class Odds:
    """What the past tells about a test."""

    passed: int
    runs: int
    changes: int = 0
    """How often its outcome differed from the one before."""

    @property
    def probability(self) -> float:
        """Of passing, as far as the runs tell."""
        return self.passed / self.runs if self.runs else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Between which the true probability lies with 95 % confidence (Wilson)."""
        if not self.runs:
            return 0.0, 1.0
        square = CONFIDENCE**2
        centre = (self.passed + square / 2) / (self.runs + square)
        variance = self.passed * (self.runs - self.passed) / self.runs + square / 4
        half = CONFIDENCE * math.sqrt(variance) / (self.runs + square)
        return max(0.0, centre - half), min(1.0, centre + half)

    @property
    def flaky(self) -> bool:
        """Whether it passed after it had failed and the other way round: more than one repair or one break."""
        return self.changes > 1


def append(path: Path, outcomes: Iterable[Outcome]) -> None:
    """Add outcomes. Raises OSError."""
    data = "".join(json.dumps(asdict(one)) + "\n" for one in outcomes).encode()
    if not data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_size > BYTES_MAX:
            file.seek(0)
            kept = file.read()[-BYTES_MAX // 2 :].partition(b"\n")[2]
            file.truncate(0)
            file.write(kept)
        file.write(data)


def read(path: Path) -> list[Outcome]:
    """All outcomes, the oldest first; lines that are none are left out."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return []
    return [found for line in text.splitlines() if (found := _parse(line))]


def odds(outcomes: Iterable[Outcome]) -> Mapping[str, Odds]:
    """By test. Runs in which only the infrastructure failed, or that were cut short, do not count."""
    found: dict[str, Odds] = {}
    last: dict[str, bool] = {}
    for one in outcomes:
        if one.verdict not in ("passed", "product failed", "flaky"):
            continue
        known = found.get(one.nodeid, Odds(0, 0))
        passed = one.verdict == "passed"
        changed = last.get(one.nodeid, passed) != passed
        last[one.nodeid] = passed
        found[one.nodeid] = Odds(
            known.passed + passed, known.runs + 1, known.changes + int(changed)
        )
    return found


def _parse(line: str) -> Outcome | None:
    try:
        return Outcome(**json.loads(line))
    except (ValueError, TypeError):
        return None
