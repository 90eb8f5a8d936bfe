"""A clock that stands until it is told to go on."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """The port `Clock`: both times go on together, by `advance` only."""

    def __init__(self, now: datetime = EPOCH) -> None:
        self._now = now
        self._monotonic = 0.0

    def now(self) -> datetime:
        """Return the time of day."""
        return self._now

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds
