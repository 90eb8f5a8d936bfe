"""Where a history that no order explains begins to be so: its shortest impossible beginning. Pure.

What is impossible stays so, whatever comes later: the end that makes it impossible is found by halving.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from shakeout.checks.consistency.model import Model
from shakeout.checks.consistency.search import WORK_MAX, Found, Path, Search
from shakeout.history.operation import Operation, Outcome

WORK_MAX_EACH = WORK_MAX // 10
"""Transitions for one beginning; one that takes more counts as possible."""


@dataclass(frozen=True)
class Breach:
    """The operation whose end makes a history impossible."""

    operation: Operation
    before: Path
    """An order in which all that had ended before can have happened."""
    beside: tuple[Operation, ...]
    """What had begun by then, and had not ended."""


def first(model: Model, operations: Sequence[Operation]) -> Breach:
    """The first breach of a history that is known to have one."""
    ends = sorted(
        (one for one in operations if one.outcome is Outcome.OK),
        key=lambda one: (one.ended or 0, one.number),
    )
    possible, impossible = -1, len(ends) - 1
    while impossible - possible > 1:
        middle = (possible + impossible) // 2
        if _found(model, operations, ends[: middle + 1]).linearizable is False:
            impossible = middle
        else:
            possible = middle
    breach, before = ends[impossible], ends[:impossible]
    ended = {one.number for one in ends[: impossible + 1]}
    beside = [one for one in operations if one.number not in ended]
    return Breach(
        breach,
        _found(model, operations, before).path if before else None,
        tuple(one for one in beside if one.began <= (breach.ended or 0)),
    )


def _found(model: Model, operations: Sequence[Operation], ended: Sequence[Operation]) -> Found:
    """Search the beginning in which just these have ended: what had begun besides may have happened."""
    numbers, until = {one.number for one in ended}, ended[-1].ended or 0
    beginning = [
        one
        if one.number in numbers
        else dataclasses.replace(one, outcome=Outcome.UNKNOWN, ended=None, result=None)
        for one in operations
        if one.began <= until
    ]
    return Search(model, beginning, WORK_MAX_EACH).run()
