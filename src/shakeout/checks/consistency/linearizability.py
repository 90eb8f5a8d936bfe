"""Judges whether each thing in a history behaved as if its operations had happened one after the other. Pure.

Splits the history into things, lets `search` look for an order of each, and explains in a few lines why there is none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shakeout.checks.consistency import breaches
from shakeout.checks.consistency.breaches import Breach
from shakeout.checks.consistency.model import Model
from shakeout.checks.consistency.search import WORK_MAX, Found, Path, Search
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
            verdicts.append(_verdict(self.model, name, search.run(), operations))
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


def _verdict(model: Model, name: str, found: Found, operations: Sequence[Operation]) -> Verdict:
    if found.linearizable:
        return Verdict(Validity.VALID, name)
    if found.linearizable is None:
        reason = f"gave up on {name} after {found.work} steps: {len(operations)} operations leave too many orders open"
        return Verdict(Validity.UNKNOWN, name, reason)
    breach = breaches.first(model, operations)
    explanation = "\n".join(_explanation(model, name, breach))
    return Verdict(Validity.INVALID, name, explanation, (breach.operation.number,))


def _explanation(model: Model, name: str, breach: Breach) -> Iterator[str]:
    """At most ten lines: an order of what came before, and what fits nowhere in any order."""
    steps = _steps(breach.before)
    yield f"{name}: no {model.name} does this. What had ended before can have happened in the order of"
    if not steps:
        yield f"  (nothing) = {_state(model.initial)}"
    elif len(steps) > SHOWN_BEFORE:
        yield f"  ... {len(steps) - SHOWN_BEFORE} operations ..."
    for one, state in steps[-SHOWN_BEFORE:]:
        yield f"  {one} = {_state(state)}"
    yield f"but in no order can this one have happened, too:\n  {breach.operation}"
    if breach.beside:
        few = "; ".join(str(one) for one in breach.beside[:SHOWN_OTHERS])
        more = len(breach.beside) - SHOWN_OTHERS
        yield f"also not with what had begun and not ended: {few}{f' and {more} more' if more > 0 else ''}"


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
