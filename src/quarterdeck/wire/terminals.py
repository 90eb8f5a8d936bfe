"""Terminals on the wire. A WebSocket carries what is typed and shown as binary messages; a text message from the client is a `Size`."""

from typing import Annotated

import msgspec
from msgspec import Meta

from quarterdeck.wire import decode, limits

GONE, ENDED, REFUSED, UNREACHABLE, LATER = 1001, 4000, 4400, 4502, 1013
"""Close codes of a terminal's socket: the server stops, the shell has ended, a message makes no sense, the agent cannot be reached, too many look at it."""


class Size(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much fits on the screen."""

    rows: Annotated[int, Meta(ge=1, le=1000)] = 24
    columns: Annotated[int, Meta(ge=1, le=1000)] = 80


class TerminalView(msgspec.Struct, frozen=True):
    """A terminal; `new` if it was opened by this very request."""

    name: limits.Name
    new: bool


class _Named(msgspec.Struct, frozen=True):
    name: limits.Name


def name(text: str) -> str:
    """Return the name of a terminal. Raises `Invalid`."""
    return decode.decode_query(_Named, [("name", text)]).name
