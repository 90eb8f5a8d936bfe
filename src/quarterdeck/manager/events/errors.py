"""What can be wrong with a wish to follow events.

QuarterdeckError
├── SessionNotFound
├── TooManyStreams
└── LastEventInvalid   the header is no sequence number
"""

from quarterdeck.base.errors import QuarterdeckError


class SessionNotFound(QuarterdeckError):
    """There is no such session."""

    code = "session-not-found"


class TooManyStreams(QuarterdeckError):
    """Too many streams of events are open already."""

    code = "too-many-requests"


class LastEventInvalid(QuarterdeckError):
    """The id of the last event is not one of these streams."""

    code = "invalid-field"
