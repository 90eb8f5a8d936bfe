"""What a wait has seen over time, deduplicated and bounded; rendered by `shakeout.waiting.until`."""

import dataclasses
import inspect
import reprlib
from collections import deque
from collections.abc import Callable
from typing import Any

FIRST_RUNS_KEPT = 5
LAST_RUNS_KEPT = 15
TEXT_LENGTH_MAX = 300


@dataclasses.dataclass(frozen=True)
class Run:
    """The same thing seen `count` times in a row; times are seconds since the wait began."""

    first: float
    last: float
    count: int
    text: str

    def again(self, at: float) -> "Run":
        return dataclasses.replace(self, last=at, count=self.count + 1)

    def render(self) -> str:
        times = f"{self.first:9.3f} s"
        repeated = f"  (x{self.count}, until {self.last:.3f} s)" if self.count > 1 else ""
        return f"{times}  {self.text}{repeated}"


@dataclasses.dataclass(frozen=True)
class Miss:
    """The sample that came nearest to what was waited for; `at` in seconds since the wait began."""

    at: float
    distance: float
    text: str

    def __str__(self) -> str:
        return f"{self.text} at {self.at:.3f} s, off by {self.distance:.3g}"


class Samples:
    """Everything that one wait saw: the first few and the last few runs of equal samples."""

    def __init__(self, measure: Callable[[Any], float | None] | None = None) -> None:
        """`measure` tells how far a value is from what is waited for, where anybody knows."""
        self.count = 0
        self.last_exception: Exception | None = None
        self.nearest: Miss | None = None
        self._measure = measure
        self._first: list[Run] = []
        self._last: deque[Run] = deque(maxlen=LAST_RUNS_KEPT)
        self._dropped = 0

    def value(self, at: float, value: object) -> None:
        text = render(value)
        self._add(at, text)
        distance = self._measure(value) if self._measure else None
        if distance is not None and (self.nearest is None or distance < self.nearest.distance):
            self.nearest = Miss(at, distance, text)

    def exception(self, at: float, error: Exception) -> None:
        self.last_exception = error
        self._add(at, f"raised {describe_exception(error)}")

    def note(self, at: float, text: str) -> None:
        self._add(at, text)

    def changes(self) -> list[Run]:
        """What was seen, each run of equal samples once; the middle of a long record is left out."""
        return [*self._first, *self._last]

    def nearest_or_last(self) -> str:
        """The nearest miss in words, and where nobody knows what nearer means, the last sample."""
        if self.nearest is not None:
            return f"nearest miss: {self.nearest}"
        seen = self.changes()
        return f"last seen: {seen[-1].text}" if seen else ""

    def lines(self) -> list[str]:
        """The record as printable lines."""
        if not self.count:
            return ["no sample was taken"]
        head = [f"{self.count} sample{'s' if self.count > 1 else ''}:"]
        gap = [f"       …     {self._dropped} more changes"] if self._dropped else []
        runs = [run.render() for run in self._first] + gap + [run.render() for run in self._last]
        if self.nearest is not None and len(runs) > 1:
            runs.append(f"nearest miss: {self.nearest}")
        if self.last_exception is not None:
            runs.append(f"last exception: {describe_exception(self.last_exception)}")
        return head + [f"  {line}" for line in runs]

    def _add(self, at: float, text: str) -> None:
        self.count += 1
        runs: list[Run] | deque[Run] = self._last or self._first
        if runs and runs[-1].text == text:
            runs[-1] = runs[-1].again(at)
        elif len(self._first) < FIRST_RUNS_KEPT:
            self._first.append(Run(at, at, 1, text))
        else:
            self._dropped += len(self._last) == LAST_RUNS_KEPT
            self._last.append(Run(at, at, 1, text))


def render(value: object) -> str:
    """A value on one line, shortened."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = TEXT_LENGTH_MAX
    short.maxdict = short.maxlist = short.maxtuple = short.maxset = 10
    text = " ".join(short.repr(value).split())
    return text if len(text) <= TEXT_LENGTH_MAX else text[: TEXT_LENGTH_MAX - 1] + "…"


def describe_exception(error: BaseException) -> str:
    """Type and message on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def name_of(probe: Callable[..., object]) -> str:
    """What to call a probe that got no description: its name, or the source of a lambda."""
    name = getattr(probe, "__qualname__", None) or type(probe).__qualname__
    if not name.endswith("<lambda>"):
        return name.rpartition("<locals>.")[2]
    try:
        return " ".join(inspect.getsource(probe).split())
    except (OSError, TypeError):
        return "an unnamed condition"
