"""Entries of the Redis stream. They carry ids only and wake loops; losing one changes nothing but time."""

import enum
from collections.abc import Mapping

import msgspec

STREAM = "quarterdeck:events"
STREAM_ENTRIES_MAX = 1000


class EventKind(enum.StrEnum):
    """What has changed."""

    KERNEL = "kernel-changed"
    SESSION = "session-changed"
    AGENT = "agent-changed"
    IMAGE = "image-changed"
    """A pull of the image with this digest has ended on some agent."""


class Event(msgspec.Struct, frozen=True):
    """Something with this id has changed; ask the owner of the fact what it is now."""

    kind: EventKind
    id: str

    def fields(self) -> dict[str, str]:
        """Return the entry's fields."""
        return {"kind": self.kind.value, "id": self.id}


def parse(fields: Mapping[str, str]) -> Event | None:
    """Return the event in an entry's fields; None for an entry of a kind not known here."""
    try:
        return Event(EventKind(fields["kind"]), fields["id"])
    except (KeyError, ValueError):
        return None
