"""What a model is: how one thing behaves when one client after the other uses it. Pure.

`models` has those that everybody needs; a system may bring its own. `search` finds out whether a history fits one.
"""

import enum
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from shakeout.history.operation import Operation, Outcome, Value

State: TypeAlias = Hashable
Transition: TypeAlias = Callable[[State], State]
"""From a state to the next one; `ILLEGAL` where the operation cannot have gone as it did."""


@dataclass(frozen=True)
class _Illegal:
    """No state at all."""

    def __repr__(self) -> str:
        return "ILLEGAL"


ILLEGAL: Final = _Illegal()
ANYTHING: Final = "anything at all"
"""The token that meets every token."""


class Truth(enum.Enum):
    """A truth value that a thing holds. In Python `True` is 1, and a dict holds one of both."""

    TRUE = True
    FALSE = False

    def __str__(self) -> str:
        return str(self.value)


def exact(value: Value) -> Hashable:
    """A value as states and tokens hold it: equal to nothing but itself. 1 and 1.0 are one number, as in JSON."""
    if isinstance(value, bool):
        return Truth(value)
    return tuple(map(exact, value)) if isinstance(value, tuple) else value


class Misfit(Exception):
    """A history holds an operation that the model does not know."""

    def __init__(self, model: str, operation: Operation) -> None:
        super().__init__(f"a {model} knows no {operation.call}")
        self.operation = operation


class Model:
    """One thing at a time: a history is split by key before it is judged."""

    name: str = "model"
    initial: State = None

    def transition(self, operation: Operation) -> Transition:
        """What an operation that is ok or unknown does. Raises Misfit."""
        raise NotImplementedError

    def observes(self, operation: Operation) -> bool:
        """True only if the operation, wherever it is possible, changes nothing: then it is taken as soon as it fits."""
        del operation
        return False

    def twin(self, operation: Operation) -> Hashable:
        """Equal for operations that do the same, whoever does them."""
        return operation.action, exact(operation.arguments)

    def gives(self, operation: Operation) -> Iterable[Hashable]:
        """What an operation brings about, as tokens. Without it, all that need none of them stay possible."""
        del operation
        return (ANYTHING,)

    def needs(self, operation: Operation) -> Iterable[Hashable]:
        """What can make an operation possible that is not: tokens, any of which helps."""
        del operation
        return (ANYTHING,)

    def helps(self, maybe: Operation, other: Operation) -> bool:
        """False only if `maybe` can never make `other` possible, although their tokens meet."""
        del maybe, other
        return True

    def demands(self, operation: Operation) -> State:
        """The only state in which an operation that ended well is possible; `ILLEGAL` if there are more."""
        del operation
        return ILLEGAL

    def passed(self, state: State, operation: Operation) -> bool:
        """True only if from this state on an operation will never be possible any more."""
        del state, operation
        return False

    def parts(self, operations: Sequence[Operation]) -> Sequence[tuple[str, Sequence[Operation]]]:
        """Split the operations of one key where each part may be judged alone; with the names of the parts."""
        return [("", operations)]


def only_if(operation: Operation, holds: Callable[[Any], bool]) -> Transition:
    """Changes nothing; possible only where something holds, if it is known to have happened."""
    if operation.outcome is not Outcome.OK:
        return lambda state: state
    return lambda state: state if holds(state) else ILLEGAL
