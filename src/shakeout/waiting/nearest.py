"""How far a sample is from what a wait wants, where that can be told; used by `shakeout.waiting.until`.

A wait tells it by what it is `satisfied` with: an object with a method `distance(value)`, such as `equals(3)`
and `at_least(3)` give, `functools.partial(operator.eq, 3)`, or the bound `wanted.__eq__`. For any other function
nobody knows what nearer means, and nothing is guessed.
"""

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Measured(Protocol):
    """A condition that knows how far a value is from it."""

    def __call__(self, value: Any) -> object:
        """Whether the value is what is wanted."""

    def distance(self, value: Any) -> float | None:
        """0 for what is wanted, more for what is further away; None when that cannot be told."""


@dataclass(frozen=True)
class equals:  # noqa: N801 - used like a function: `satisfied=equals(3)`
    """Satisfied with a value that equals the wanted one."""

    wanted: object

    def __call__(self, value: object) -> bool:
        return bool(value == self.wanted)

    def distance(self, value: object) -> float | None:
        return between(value, self.wanted)


@dataclass(frozen=True)
class at_least:  # noqa: N801 - used like a function: `satisfied=at_least(3)`
    """Satisfied with a number that is not below the wanted one."""

    wanted: float

    def __call__(self, value: float) -> bool:
        return value >= self.wanted

    def distance(self, value: float) -> float | None:
        return max(0.0, self.wanted - value)


def condition(satisfied: Callable[[Any], object]) -> Callable[[Any], object]:
    """The same condition; one that only compares becomes `equals`.

    A bound `wanted.__eq__` answers NotImplemented, which counts as true, to a value of another type.
    """
    if isinstance(satisfied, functools.partial) and satisfied.func is operator.eq:
        return equals(satisfied.args[0])
    if getattr(satisfied, "__name__", "") == "__eq__" and hasattr(satisfied, "__self__"):
        return equals(satisfied.__self__)
    return satisfied


def measure(satisfied: Callable[[Any], object]) -> Callable[[Any], float | None] | None:
    """The distance that belongs to a condition; None where nobody knows what nearer means."""
    found = condition(satisfied)
    return found.distance if isinstance(found, Measured) else None


def between(value: object, wanted: object) -> float | None:
    """How far two values are apart: numbers by their difference, collections by what differs."""
    if isinstance(value, int | float) and isinstance(wanted, int | float):
        return abs(float(value) - float(wanted))
    if isinstance(value, str) or isinstance(wanted, str):
        return None  # names of states: letters in common bring none of them nearer
    return _between_collections(value, wanted)


def _between_collections(value: object, wanted: object) -> float | None:
    if isinstance(value, AbstractSet) and isinstance(wanted, AbstractSet):
        return float(len(value ^ wanted))
    if isinstance(value, Mapping) and isinstance(wanted, Mapping):
        keys = value.keys() | wanted.keys()
        return float(sum(value.get(key, keys) != wanted.get(key, keys) for key in keys))
    if isinstance(value, Sequence) and isinstance(wanted, Sequence):
        pairs = zip(value, wanted, strict=False)
        return float(sum(one != other for one, other in pairs) + abs(len(value) - len(wanted)))
    return None
