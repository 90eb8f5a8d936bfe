"""Judges whether each thing in a history behaved as if its operations had happened one after the other. Pure.

Splits the history into things, lets `search` look for an order of each, and explains in a few lines why there is none.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from shakeout.checks.consistency.model import Model
from shakeout.checks.consistency.search import WORK_MAX, Found, Path, Search, Stuck
from shakeout.checks.consistency.verdict import Validity, Verdict, merged
from shakeout.history.operation import History, Operation, Outcome, shown

SHOWN_BEFORE = 4
SHOWN_OTHERS = 3


@dataclass(frozen=True)
class Linearizable:
    """The checker for a model; `actions`, if given, are the operations that concern it. Raises Misfit."""

    model: Model
    actions: frozenset[str] = frozenset()
    work_max: int = WORK_MAX
    """Bound of all the work: then the verdict is unknown."""

    def __call__(self, history: History) -> Verdict:
        chosen = history.only(*self.actions) if self.actions else history
        verdicts, left = [], self.work_max
        for name, operations in _things(self.model, chosen):
            search = Search(self.model, operations, max(left, 0))
            verdicts.append(_verdict(self.model, name, search.run(), len(operations)))
            left -= search.work
        bad = [each for each in verdicts if not each.valid]
        whole = merged(f"linearizable {self.model.name}", bad)
        if len(bad) == 1:
            return Verdict(whole.validity, whole.check, bad[0].explanation, bad[0].culprits)
        return whole


def linearization(model: Model, history: History) -> tuple[Operation, ...] | None:
    """An order in which a history of one thing can have happened; None if there is none or it was not found."""
    happened = [one for one in history if one.outcome is not Outcome.FAIL]
    found = Search(model, happened).run()
    return tuple(one for one, _ in _steps(found.path)) if found.linearizable else None


def _things(model: Model, history: History) -> Iterator[tuple[str, list[Operation]]]:
    for key, operations in history.by_key().items():
        happened = [one for one in operations if one.outcome is not Outcome.FAIL]
        for part, some in model.parts(happened):
            yield " ".join(each for each in (key, part) if each) or model.name, list(some)


def _verdict(model: Model, name: str, found: Found, operations: int) -> Verdict:
    if found.linearizable:
        return Verdict(Validity.VALID, name)
    if found.linearizable is None:
        reason = f"gave up on {name} after {found.work} steps: {operations} operations leave too many orders open"
        return Verdict(Validity.UNKNOWN, name, reason)
    target = found.stuck.target
    culprits = (target.number,) if target else ()
    explanation = "\n".join(_explanation(model, name, found.stuck))
    return Verdict(Validity.INVALID, name, explanation, culprits)


def _explanation(model: Model, name: str, stuck: Stuck) -> Iterator[str]:
    """At most ten lines: the longest order that is possible, and what does not fit behind it."""
    steps = list(_steps(stuck.path))
    yield f"{name}: no order of these operations makes a {model.name}; {len(steps)} can be put in order, the last ones"
    if not steps:
        yield f"  (none) = {_state(model.initial)}"
    for one, state in steps[-SHOWN_BEFORE:]:
        yield f"  {one} = {_state(state)}"
    yield f"but then this one, which had ended before any other began, cannot come next:\n  {stuck.target}"
    if stuck.others:
        few = "; ".join(str(one) for one in stuck.others[:SHOWN_OTHERS])
        more = len(stuck.others) - SHOWN_OTHERS
        yield f"nor after what ran at the same time: {few}{f' and {more} more' if more > 0 else ''}"


def _steps(path: Path) -> list[tuple[Operation, object]]:
    found = []
    while path is not None:
        path, operation, state = path
        found.append((operation, state))
    return found[::-1]


def _state(state: object) -> str:
    if isinstance(state, frozenset):
        return f"{{{', '.join(sorted(map(str, state)))}}}"
    return shown(state) if state is None or isinstance(state, str | int | tuple) else str(state)
