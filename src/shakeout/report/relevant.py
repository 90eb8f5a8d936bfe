"""The few log lines that a reader should see first: severe, near the failure, about the culprit. Pure."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shakeout.report import log_lines
from shakeout.report.model import Cause, Level, Line

LINES_MAX = 10
LINES_MIN = 3
"""With fewer lines of the phase that failed, those from before are shown, too."""
SECONDS_NEAR = 2.0
"""How fast a line loses interest the further it is from the failure."""

_OF_LEVEL = {
    Level.DEBUG: 0.0,
    Level.INFO: 6.0,
    Level.WARNING: 25.0,
    Level.ERROR: 45.0,
    Level.CRITICAL: 55.0,
}
OF_CULPRIT = 30.0
OF_SAME_TRACE = 15.0
OF_COMMON_WORD = 6.0
COMMON_WORDS_MAX = 3
OF_NEARNESS = 20.0
OF_REPETITION = 4.0
BEFORE = 0.25
"""What severity is worth of a line from before the phase that failed, such as a warning while booting."""
_WORD = re.compile(r"[\w-]{4,}")


def choose(lines: Iterable[Line], cause: Cause, began: float, failed_at: float) -> list[Line]:
    """The lines of most interest, in the order of time. `began` is when the phase began that failed."""
    all_told = [line for line in lines if not line.event.startswith(log_lines.NOISE)]
    matters = [line for line in all_told if _may_matter(line, cause, began)]
    told = matters if len(matters) >= LINES_MIN else all_told
    candidates = log_lines.collapsed(sorted(told, key=lambda line: line.at))
    frequency = Counter((line.component, line.event) for line in candidates)
    interest = _Interest(
        frequency,
        cause.culprit,
        failed_at,
        began,
        _traces(candidates),
        frozenset(_WORD.findall(f"{cause.sentence} {cause.detail}".lower())),
    )
    scored = [(interest.of(line), number) for number, line in enumerate(candidates)]
    best = sorted(scored, reverse=True)[:LINES_MAX]
    return [candidates[number] for number in sorted(number for _, number in best)]


def _may_matter(line: Line, cause: Cause, began: float) -> bool:
    """Of the time before the phase that failed only errors do, and what the culprit said."""
    return (
        line.at >= began
        or line.level.rank >= Level.ERROR.rank
        or line.component.rpartition(".")[2] == cause.culprit
    )


def _traces(lines: Sequence[Line]) -> frozenset[str]:
    """Trace ids of lines that tell trouble."""
    troubled = (line for line in lines if line.level.rank >= Level.WARNING.rank)
    return frozenset(line.trace for line in troubled if line.trace)


@dataclass(frozen=True)
class _Interest:
    """What makes a line interesting."""

    frequency: Mapping[tuple[str, str], int]
    culprit: str
    failed_at: float
    began: float
    traces: frozenset[str]
    words: frozenset[str]

    def of(self, line: Line) -> float:
        away = abs(self.failed_at - line.at)
        common = self.words & set(_WORD.findall(line.event.lower()))
        return (
            _OF_LEVEL[line.level] * (1.0 if line.at >= self.began else BEFORE)
            + OF_CULPRIT * (line.component.rpartition(".")[2] == self.culprit)
            + OF_SAME_TRACE * (line.trace in self.traces)
            + OF_COMMON_WORD * min(len(common), COMMON_WORDS_MAX)
            + OF_NEARNESS * math.exp(-away / SECONDS_NEAR)
            - OF_REPETITION * math.log(self.frequency[line.component, line.event])
        )
