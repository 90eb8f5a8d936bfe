"""Which operations of one search can make which others possible, and which do the same. Pure; made once a search."""

from collections.abc import Hashable, Iterable, Sequence

from shakeout.checks.consistency.model import ANYTHING, ILLEGAL, Model, State, exact
from shakeout.history.operation import Operation


class Relations:
    """Certain and uncertain operations by what they give and need; sets of them are bits of a number."""

    def __init__(
        self, model: Model, certain: Sequence[Operation], maybe: Sequence[Operation]
    ) -> None:
        self.model = model
        self.certain = certain
        self.maybe = maybe
        self.kinds = [(model.twin(one), exact(one.result)) for one in certain]
        """Operations of one kind can stand in for each other."""
        self.twin_before = _twins_before(model, maybe)
        """For each uncertain operation the one before it that does the same; -1 for none."""
        self._helped: dict[int, tuple[int, int]] = {}
        self._givers = _by_token(model.gives(one) for one in certain)
        self._needers = _by_token(model.needs(one) for one in certain)
        self._maybe_givers = _by_token(model.gives(one) for one in maybe)
        self._maybe_needers = _by_token(model.needs(one) for one in maybe)
        self._helping: dict[object, tuple[int, ...]] = {}
        self.demanding: dict[State, int] = {}
        """Certain operations that are possible in one state only, by that state."""
        self._makers: dict[State, tuple[int, int]] = {}
        for number, one in enumerate(certain):
            state = model.demands(one)
            if state is not ILLEGAL:
                self.demanding[state] = self.demanding.get(state, 0) | 1 << number
                if state not in self._makers:
                    needs = tuple(model.needs(one))
                    self._makers[state] = (
                        _of(self._givers, needs),
                        _of(self._maybe_givers, needs),
                    )

    def lost(self, state: State, done: int, used: int) -> bool:
        """Whether somebody still needs a state that is being left and that nobody is left to bring back."""
        waiting = self.demanding.get(state, 0) & ~done
        if not waiting:
            return False
        certain, maybe = self._makers[state]
        return not (certain & ~done or maybe & ~used)

    def unneeded(self, number: int, done: int, used: int) -> bool:
        """Whether nobody is left whom a certain operation could help."""
        if number not in self._helped:
            gives = tuple(self.model.gives(self.certain[number]))
            others = _of(self._needers, gives) & ~(1 << number)
            self._helped[number] = others, _of(self._maybe_needers, gives)
        certain, maybe = self._helped[number]
        return not (certain & ~done or maybe & ~used)

    def helping(self, other: Operation) -> tuple[int, ...]:
        """Uncertain operations that may make `other` possible."""
        key = (self.model.twin(other), other.outcome, exact(other.result))
        if key not in self._helping:
            found = _of(self._maybe_givers, self.model.needs(other))
            self._helping[key] = tuple(
                number for number in _bits(found) if self.model.helps(self.maybe[number], other)
            )
        return self._helping[key]


def _by_token(tokens: Iterable[Iterable[Hashable]]) -> dict[Hashable, int]:
    found: dict[Hashable, int] = {}
    for number, some in enumerate(tokens):
        for token in some:
            found[token] = found.get(token, 0) | 1 << number
            if token is not ANYTHING:
                found[_ALL] = found.get(_ALL, 0) | 1 << number
    found[_ALL] = found.get(_ALL, 0) | found.get(ANYTHING, 0)
    return found


def _of(by_token: dict[Hashable, int], tokens: Iterable[Hashable]) -> int:
    """Operations with any of these tokens; `ANYTHING` meets every token."""
    found, empty = by_token.get(ANYTHING, 0), True
    for token in tokens:
        empty = False
        found |= by_token.get(_ALL if token is ANYTHING else token, 0)
    return 0 if empty else found


def _bits(number: int) -> Iterable[int]:
    while number:
        lowest = number & -number
        yield lowest.bit_length() - 1
        number ^= lowest


def _twins_before(model: Model, maybe: Sequence[Operation]) -> list[int]:
    last: dict[object, int] = {}
    found = []
    for number, one in enumerate(maybe):
        twin = model.twin(one)
        found.append(last.get(twin, -1))
        last[twin] = number
    return found


_ALL = object()
