"""Where things stand on the time axis of a page: bars in rows, marks thinned out to what can be seen. Pure.

Positions are seconds since the axis begins.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shakeout.report import series
from shakeout.report.model import Line, Story
from shakeout.timeline.record import Event

MARKS_MAX = 300
TICKS = 8
STEP_FACTORS = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """The time axis."""

    start: float
    """Moment of its left end."""
    seconds: float

    def at(self, moment: float) -> float:
        """Position of a moment, inside of the axis."""
        return min(max(0.0, moment - self.start), self.seconds)


@dataclass(frozen=True)
class Bar:
    """Something that took time, in one of the rows of its lane."""

    event: Event
    begins: float
    seconds: float
    row: int


@dataclass(frozen=True)
class Mark:
    """One log line, or the most severe of several that would cover each other."""

    line: Line
    at: float
    hidden: int = 0
    """How many less severe ones it covers."""


def axis(story: Story) -> Axis:
    """From the first thing known to the end of the test."""
    start = series.start(story)
    return Axis(start, series.end(story) - start)


def bars(events: Iterable[Event], axis: Axis) -> list[Bar]:
    """Bars, each in the first row that is free: what happens inside of another stands below it."""
    free: list[float] = []
    found = []
    for event in sorted(events, key=lambda each: (each.began, -(each.ended or each.began))):
        begins = axis.at(event.began)
        ends = axis.at(event.ended if event.ended is not None else event.began)
        row = next((row for row, until in enumerate(free) if until <= begins), len(free))
        free[row : row + 1] = [max(ends, begins + axis.seconds / MARKS_MAX)]
        found.append(Bar(event, begins, ends - begins, row))
    return found


def marks(lines: Iterable[Line], axis: Axis) -> list[Mark]:
    """At most `MARKS_MAX` marks: of lines that stand on one spot, the most severe."""
    spots: dict[int, Mark] = {}
    for line in lines:
        at = axis.at(line.at)
        spot = int(at / axis.seconds * MARKS_MAX)
        known = spots.get(spot)
        if known is None:
            spots[spot] = Mark(line, at)
        elif line.level.rank > known.line.level.rank:
            spots[spot] = Mark(line, at, known.hidden + 1)
        else:
            spots[spot] = Mark(known.line, known.at, known.hidden + 1)
    return [spots[spot] for spot in sorted(spots)]


def ticks(seconds: float) -> Sequence[float]:
    """Round positions for the labels of an axis of that length."""
    rough = seconds / TICKS
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(magnitude * factor for factor in STEP_FACTORS if magnitude * factor >= rough)
    return [number * step for number in range(int(seconds / step + 1e-9) + 1)]


def duration(seconds: float) -> str:
    """`850 us`, `12 ms`, `3.4 s`, `2 min 5 s`; with a minus when negative."""
    sign, size = ("-" if seconds < 0 else ""), abs(seconds)
    if size >= 120:
        return f"{sign}{int(size // 60)} min {int(size % 60)} s"
    if size >= 1:
        return f"{sign}{size:.3g} s"
    return (
        f"{sign}{size * 1e3:.3g} ms" if size >= 0.001 or not size else f"{sign}{size * 1e6:.0f} us"
    )
