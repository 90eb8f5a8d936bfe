"""Server-sent events: how they look on the wire, and the ones that tell of sessions. No msgspec here: `qd` starts fast.

    id: 42
    event: session
    data: {"seq":42,"session":"…","to_status":"RUNNING",…}

`id` is the row's sequence number: whoever comes back with it as `Last-Event-ID`, or as `?after=`, gets all later rows and none twice.
"""

CONTENT_TYPE = "text/event-stream"
LAST_EVENT_ID = "Last-Event-ID"

SESSION = "session"
"""A change of a session: a row of its history."""
KERNEL = "kernel"
"""A change of a kernel of a session: a row of its history."""
END = "end"
"""The last event of one session's stream: it has ended, nothing comes any more."""
CUT = "cut"
"""The last event for a client that does not read fast enough; it may come back with the last id it has."""

SILENCE_SECONDS_MAX = 15.0
"""A stream says something at least this often, if only a comment."""


def event(name: str, data: bytes, id_: int | None = None) -> bytes:
    """Return an event. The data must be one line."""
    marked = b"" if id_ is None else b"id: %d\n" % id_
    return marked + b"event: %s\ndata: %s\n\n" % (name.encode(), data)


def keep_alive(id_: int) -> bytes:
    """Return what says only that the stream is alive, and how far it has come: clients dispatch no event for it."""
    return b": keep-alive\nid: %d\n\n" % id_
