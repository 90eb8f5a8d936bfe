"""What new sessions get: an id, and times within the maxima of this manager. Asked for more is refused, asked for none gets the most."""

from dataclasses import dataclass

import msgspec

from quarterdeck.base import ids
from quarterdeck.base.clock import Clock
from quarterdeck.wire import sessions
from quarterdeck.wire.errors import Invalid


@dataclass(frozen=True, slots=True)
class Maxima:
    """Seconds at most, for each of the time-outs; None: no limit."""

    batch_seconds: int | None = None
    lifetime_seconds: int | None = None
    idle_seconds: int | None = None

    def granted(self, given: sessions.SessionCreate) -> sessions.SessionCreate:
        """Return a request with its time-outs. Raises `Invalid` for one that is beyond a maximum."""
        return msgspec.structs.replace(
            given,
            lifetime_seconds=_within(
                "lifetime_seconds", given.lifetime_seconds, self.lifetime_seconds
            ),
            batch_seconds=_within("batch_seconds", given.batch_seconds, self.batch_seconds)
            if given.type is sessions.SessionType.BATCH
            else None,
            idle_seconds=_within("idle_seconds", given.idle_seconds, self.idle_seconds)
            if not given.command
            else None,
        )


NO_MAXIMA = Maxima()


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms on which sessions are made."""

    clock: Clock
    maxima: Maxima = NO_MAXIMA

    def id(self) -> str:
        """Return an id for a session or a kernel."""
        return ids.new(self.clock)


def _within(field: str, wanted: int | None, most: int | None) -> int | None:
    if wanted is not None and most is not None and wanted > most:
        raise Invalid(field, f"At most {most} seconds are granted here")
    return most if wanted is None else wanted
