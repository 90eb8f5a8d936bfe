"""What happens during a test: events on one clock, recorded by whoever makes them happen.

Waits, faults, steps and operations call `note` and `span`; without a `current` recording both cost nothing.
`shakeout.report` makes a page of a recording.
"""

import contextlib
import contextvars
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

EVENTS_MAX = 20_000


@dataclass
class Event:
    """Something that happened at `began`, until `ended` if it took time (seconds since the epoch)."""

    kind: str
    """`step`, `wait`, `sample`, `fault`, `operation` ..."""
    name: str
    began: float
    ended: float | None = None
    fields: dict[str, Any] = field(default_factory=dict)


class Recording:
    """The events of one test in the order of their beginning; at most `EVENTS_MAX`, further ones are counted."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:  # noqa: TID251 - log lines carry this clock, too
        self.clock = clock
        self.events: list[Event] = []
        self.left_out = 0

    def add(self, kind: str, name: str, fields: dict[str, Any]) -> Event:
        """Record that something happens now."""
        event = Event(kind, name, self.clock(), None, fields)
        if len(self.events) < EVENTS_MAX:
            self.events.append(event)
        else:
            self.left_out += 1
        return event

    def drop_short(self, kind: str, seconds_min: float) -> None:
        """Forget the last event of a kind if it ended well and took less than that."""
        for index in range(len(self.events) - 1, -1, -1):
            event = self.events[index]
            if event.kind == kind and event.ended is not None:
                if event.ended - event.began < seconds_min and "error" not in event.fields:
                    del self.events[index]
                return


current: contextvars.ContextVar[Recording | None] = contextvars.ContextVar(
    "shakeout_recording", default=None
)


def note(kind: str, name: str, **fields: object) -> None:
    """Record something that took no time."""
    recording = current.get()
    if recording is not None:
        recording.add(kind, name, fields)


@contextlib.contextmanager
def span(kind: str, name: str, **fields: object) -> Iterator[dict[str, Any]]:
    """Record what happens inside, with the error that ends it; gives its fields, which may be added to."""
    recording = current.get()
    if recording is None:
        yield dict(fields)
        return
    event = recording.add(kind, name, dict(fields))
    try:
        yield event.fields
    except BaseException as error:
        event.fields["error"] = f"{type(error).__name__}: {error}"
        raise
    finally:
        event.ended = recording.clock()
