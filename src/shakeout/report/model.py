"""What is known about one test: everything that its page, its trace file and its verdict are made from.

Frozen data; `testimony` gathers it while the test runs. All moments are seconds since the epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shakeout.timeline.record import Event


class Level(StrEnum):
    """How severe a log line is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Greater for more severe."""
        return tuple(Level).index(self)


@dataclass(frozen=True)
class Line:
    """One log line on the clock."""

    at: float
    component: str
    level: Level
    event: str
    trace: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    count: int = 1
    """How many equal ones in a row it stands for."""


@dataclass(frozen=True)
class Usage:
    """What one component and its children used."""

    at: float
    component: str
    cpu_seconds: float
    """Since it began."""
    memory_bytes: int


class Kind(StrEnum):
    """In what way a test failed."""

    COMPONENT_DIED = "component died"
    WAIT_TIMED_OUT = "wait timed out"
    ASSERTION = "assertion failed"
    BAD_LOG = "bad log lines"
    LEFTOVERS = "left something behind"
    RAISED = "raised"
    HARNESS_DIED = "harness died"
    SERVICE_DIED = "service died"
    SERVICE_NOT_STARTED = "service did not start"
    MACHINE = "the machine lacks something"
    COULD_NOT_LOOK = "could not look"
    TEST_TIMED_OUT = "test timed out"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Cause:
    """Why a test failed: one sentence, what proves it, and whose fault it looks like."""

    kind: Kind
    sentence: str
    detail: str = ""
    """Last words, samples, the comparison: a few lines."""
    culprit: str = ""
    """The member that it is about, if any."""
    signature: str = ""
    """The same for the same failure in a rerun: without times, pids and addresses."""
    head: str = ""
    """Of a death: who ended, and how."""


@dataclass(frozen=True)
class Failure:
    """One phase of a test that failed."""

    phase: str
    """`setup`, `call` or `teardown`."""
    at: float
    cause: Cause
    text: str
    """The traceback as pytest shows it."""


@dataclass(frozen=True)
class Rerun:
    """Commands that run one test again with the same seed."""

    pytest: str
    pants: str = ""


@dataclass(frozen=True)
class Story:
    """Everything about one test that ended."""

    nodeid: str
    verdict: str
    began: float
    ended: float
    failures: tuple[Failure, ...] = ()
    rerun: Rerun = field(default_factory=lambda: Rerun(""))
    facts: Mapping[str, str] = field(default_factory=dict)
    """Seed, run, machine ... for the page's footer."""
    events: tuple[Event, ...] = ()
    events_left_out: int = 0
    lines: tuple[Line, ...] = ()
    usages: tuple[Usage, ...] = ()
    dump: str = ""
    """Where each task waited when the time of the test was up."""
    reruns: tuple[str, ...] = ()
    """How each classifying rerun ended, in words."""

    @property
    def failure(self) -> Failure | None:
        """The first one: the others are mostly its consequences."""
        return self.failures[0] if self.failures else None

    @property
    def components(self) -> tuple[str, ...]:
        """Who logged or used anything, in alphabetical order."""
        logged = {line.component for line in self.lines}
        return tuple(sorted(logged | {used.component for used in self.usages}))
