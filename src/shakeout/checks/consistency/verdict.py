"""What a check finds out: valid, invalid or unknown, with the reason; and how findings are put together. Pure."""

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from shakeout.history.operation import History


class Validity(enum.StrEnum):
    """From best to worst: of several, the worst counts."""

    VALID = "valid"
    UNKNOWN = "unknown"
    INVALID = "invalid"

    @property
    def rank(self) -> int:
        return list(Validity).index(self)


@dataclass(frozen=True)
class Verdict:
    """A finding."""

    validity: Validity
    check: str
    """Who says so."""
    explanation: str = ""
    """Why, in a few lines; empty when there is nothing to say."""
    culprits: tuple[int, ...] = ()
    """Numbers of the operations without which it would be better."""
    parts: "tuple[Verdict, ...]" = ()

    @property
    def valid(self) -> bool:
        return self.validity is Validity.VALID

    @property
    def invalid(self) -> bool:
        return self.validity is Validity.INVALID

    def failing(self) -> frozenset[str]:
        """Names of the checks at the bottom that found it invalid."""
        below = frozenset().union(*(part.failing() for part in self.parts))
        return below or (frozenset({self.check}) if self.invalid else frozenset())

    def __str__(self) -> str:
        head = f"{self.check}: {self.validity.value}"
        if self.parts:
            return "\n".join([head, *(_indented(str(part)) for part in self.parts)])
        return f"{head}\n{_indented(self.explanation)}" if self.explanation else head


Checker = Callable[[History], Verdict]
"""Judges a history. What a system plugs in: any function of this kind."""


def merged(check: str, parts: Iterable[Verdict]) -> Verdict:
    """All findings as one: invalid if any is, else unknown if any is, else valid."""
    found = tuple(parts)
    worst = max(
        (each.validity for each in found), key=lambda one: one.rank, default=Validity.VALID
    )
    culprits = tuple(
        number for each in found if each.validity is worst for number in each.culprits
    )
    return Verdict(worst, check, "", culprits, found)


def all_of(checks: Mapping[str, Checker], check: str = "all checks") -> Checker:
    """A checker that asks several, by name, and finds the worst."""

    def judge(history: History) -> Verdict:
        return merged(check, (named(name, one(history)) for name, one in checks.items()))

    return judge


def named(check: str, found: Verdict) -> Verdict:
    """The finding under another name."""
    return Verdict(found.validity, check, found.explanation, found.culprits, found.parts)


def invariant(holds: Callable[[History], Iterable[str]], check: str = "invariant") -> Checker:
    """A checker from a function that tells each breach in words."""

    def judge(history: History) -> Verdict:
        breaches = list(holds(history))
        if breaches:
            return Verdict(Validity.INVALID, check, "\n".join(breaches))
        return Verdict(Validity.VALID, check)

    return judge


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
