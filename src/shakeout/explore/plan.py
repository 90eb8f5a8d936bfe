"""A plan: which client does what when, and which faults happen meanwhile. Frozen data, printed before it is carried out.

Made from a seed by `scenario`, made smaller by `shrink`, carried out by `execution`.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from shakeout.history.operation import Value, frozen, shown


@dataclass(frozen=True)
class Call:
    """One operation by one client, `at_ms` after the beginning, or as soon as the client is free."""

    number: int
    at_ms: int
    client: int
    action: str
    key: str
    arguments: tuple[Value, ...] = ()

    def __str__(self) -> str:
        given = ", ".join(each for each in (self.key, *map(shown, self.arguments)) if each)
        return f"client {self.client}: {self.action}({given})"


@dataclass(frozen=True)
class Injection:
    """One fault, `at_ms` after the beginning, or when the one before is over; held for `hold_ms`."""

    number: int
    at_ms: int
    hold_ms: int
    fault: str
    """`kill manager`: one of the scenario's faults."""

    def __str__(self) -> str:
        return f"{self.fault} for {self.hold_ms} ms"


Step = Call | Injection
Timed = TypeVar("Timed", Call, Injection)


@dataclass(frozen=True)
class Plan:
    """Everything that a run does. Numbers of steps are unique, and stay the same when others are left out."""

    scenario: str
    seed: int
    calls: tuple[Call, ...]
    injections: tuple[Injection, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """In the order of their times."""
        every: list[Step] = [*self.calls, *self.injections]
        return tuple(sorted(every, key=lambda step: (step.at_ms, step.number)))

    def only(
        self,
        *,
        calls: Collection[int] | None = None,
        injections: Collection[int] | None = None,
    ) -> "Plan":
        """The plan with only the steps of these numbers; None keeps all."""
        return replace(
            self,
            calls=tuple(one for one in self.calls if calls is None or one.number in calls),
            injections=tuple(
                one for one in self.injections if injections is None or one.number in injections
            ),
        )

    def at(self, moments: Mapping[int, int]) -> "Plan":
        """The plan with steps at other times, by their numbers: as they turned out, not as they were meant."""

        def timed(step: Timed) -> Timed:
            return replace(step, at_ms=moments.get(step.number, step.at_ms))

        return replace(
            self,
            calls=tuple(map(timed, self.calls)),
            injections=tuple(map(timed, self.injections)),
        )

    def lines(self, marks: Mapping[int, str] | None = None) -> Iterator[str]:
        """One line a step; with what became of it, by its number."""
        told = marks or {}
        yield (
            f"plan of {self.scenario}, seed {self.seed}: "
            f"{len(self.calls)} calls, {len(self.injections)} faults"
        )
        for step in self.steps:
            mark = told.get(step.number, "")
            yield f"  {step.number:>3}  {step.at_ms:>5} ms  {step}{f'  -> {mark}' if mark else ''}"

    def __str__(self) -> str:
        return "\n".join(self.lines())


def dumps(plan: Plan) -> str:
    """A plan as JSON."""
    return json.dumps(asdict(plan))


def loads(text: str) -> Plan:
    """A plan from JSON. Raises ValueError."""
    try:
        data: dict[str, Any] = json.loads(text)
        calls = [
            Call(**{**one, "arguments": tuple(map(frozen, one["arguments"]))})
            for one in data["calls"]
        ]
        injections = [Injection(**one) for one in data["injections"]]
        return Plan(data["scenario"], data["seed"], tuple(calls), tuple(injections))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a plan: {error!r}") from error
