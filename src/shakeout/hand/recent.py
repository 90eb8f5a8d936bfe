"""What happened lately to a system that runs for long: the newest events of a recording, by number."""

from collections import deque
from dataclasses import asdict
from typing import Any

from shakeout.timeline.record import Event, Recording

EVENTS_KEPT = 2000
KINDS_LEFT_OUT = ("sample", "wait")
"""A person looks at what was done, not at how it was waited for."""


class Recent(Recording):
    """A recording that forgets its oldest events. Numbers go up by one for each event, from 1."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: deque[tuple[int, Event]] = deque(maxlen=EVENTS_KEPT)
        self._last = 0

    def add(self, kind: str, name: str, fields: dict[str, Any]) -> Event:
        """Record that something happens now."""
        event = Event(kind, name, self.clock(), None, fields)
        if kind not in KINDS_LEFT_OUT:
            self._last += 1
            self._kept.append((self._last, event))
        return event

    def after(self, number: int) -> list[dict[str, Any]]:
        """Events with a higher number, as records: number, kind, name, began, ended, fields."""
        return [{"number": at, **asdict(event)} for at, event in self._kept if at > number]
