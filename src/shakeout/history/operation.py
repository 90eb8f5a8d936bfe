"""What clients did to a system and what they were told: operations, and histories of them. Frozen, without I/O.

`recorder` makes them, `file` keeps them, `shakeout.checks.consistency` judges them.
"""

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Value: TypeAlias = "bool | int | float | str | tuple[Value, ...] | None"
"""Arguments and results: what JSON can say and can be hashed. Lists become tuples."""


class Outcome(enum.StrEnum):
    """How an operation ended, as its client knows."""

    OK = "ok"
    """It happened, between its beginning and its end."""
    FAIL = "fail"
    """It did not happen, and never will."""
    UNKNOWN = "unknown"
    """It may happen or have happened at any time after its beginning, or never."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One call by one client, in nanoseconds of a monotonic clock."""

    number: int
    """Its place among the beginnings of its history."""
    process: str
    """The client: it does one thing after the other."""
    action: str
    key: str
    arguments: tuple[Value, ...]
    began: int
    ended: int | None = None
    """None when nobody knows when, or whether, it took effect."""
    outcome: Outcome = Outcome.UNKNOWN
    result: Value = None
    error: str = ""

    @property
    def call(self) -> str:
        """`write(x, 1)`."""
        given = ", ".join(
            str(each) for each in (self.key, *map(shown, self.arguments)) if each != ""
        )
        return f"{self.action}({given})"

    @property
    def told(self) -> str:
        """The result where there is one, else the outcome. Who asks, without saying anything, may be told nothing."""
        if self.outcome is not Outcome.OK:
            return self.outcome.value
        if self.result is None:
            return Outcome.OK.value if self.arguments else "nothing"
        return shown(self.result)

    def __str__(self) -> str:
        """`#12 client-2: write(x, 1) -> ok`."""
        return f"#{self.number} {self.process}: {self.call} -> {self.told}"


@dataclass(frozen=True)
class History:
    """Operations in the order of their beginning, and what is known about the run."""

    operations: tuple[Operation, ...] = ()
    about: Mapping[str, Value] = field(default_factory=dict)
    """Scenario, seed ..."""

    def __len__(self) -> int:
        return len(self.operations)

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    def only(self, *actions: str) -> "History":
        """The operations with one of these actions."""
        chosen = tuple(one for one in self.operations if one.action in actions)
        return History(chosen, self.about)

    def by_key(self) -> Mapping[str, Sequence[Operation]]:
        """Operations of each key, keys in the order of their first use."""
        found: dict[str, list[Operation]] = {}
        for one in self.operations:
            found.setdefault(one.key, []).append(one)
        return found


def frozen(value: object) -> Value:
    """Make a value of lists and scalars hashable. Raises TypeError for anything else."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return tuple(frozen(each) for each in value)
    raise TypeError(
        f"a history holds scalars and lists of them, not {type(value).__name__}: {value!r}"
    )


def shown(value: Value) -> str:
    """A value as people write it."""
    if isinstance(value, tuple):
        return f"[{', '.join(shown(each) for each in value)}]"
    return str(value)
