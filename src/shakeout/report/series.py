"""Curves and the span of a story's time axis, for its page and its trace file. Pure."""

import itertools
from collections.abc import Sequence

from shakeout.report.model import Story, Usage

MEBIBYTE = 1 << 20
PERCENT = 100.0
SPAN_SECONDS_MIN = 0.01

Points = Sequence[tuple[float, float]]
"""Moment and value."""


def start(story: Story) -> float:
    """The moment at which the time axis begins: that of the first thing that is known."""
    return min(
        story.began,
        *(event.began for event in story.events),
        *(line.at for line in story.lines if line.at > 0),
        story.began,
    )


def end(story: Story) -> float:
    """The moment at which the time axis ends."""
    last = max(
        story.ended,
        *(event.ended or event.began for event in story.events),
        *(failure.at for failure in story.failures),
        story.ended,
    )
    return max(last, start(story) + SPAN_SECONDS_MIN)


def cpu(story: Story, component: str) -> Points:
    """Percent of one core, between each sample and the one before."""
    usages = _of(story, component)
    return [
        (one.at, _percent(before, one))
        for before, one in itertools.pairwise(usages)
        if one.at > before.at
    ]


def memory(story: Story, component: str) -> Points:
    """Bytes."""
    return [(one.at, float(one.memory_bytes)) for one in _of(story, component)]


def cpu_seconds(story: Story, component: str) -> float:
    """CPU that a component used in all; after a restart it counts anew."""
    usages = _of(story, component)
    return sum(_used(before, one) for before, one in itertools.pairwise(usages))


def _of(story: Story, component: str) -> list[Usage]:
    return [one for one in story.usages if one.component == component]


def _percent(before: Usage, after: Usage) -> float:
    return PERCENT * _used(before, after) / (after.at - before.at)


def _used(before: Usage, after: Usage) -> float:
    used = after.cpu_seconds - before.cpu_seconds
    return used if used >= 0 else after.cpu_seconds
