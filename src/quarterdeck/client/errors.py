"""What can go wrong for a client.

QuarterdeckError
└── ClientError
    ├── Refused             the platform said no; `code` and `field` tell why
    ├── Unreachable         nobody got the request
    ├── OutcomeUnknown      the request may have been carried out or not
    ├── NotFound            no session or folder has this name
    ├── Ambiguous           several sessions, folders or invitations could be meant
    ├── TooLate             a session is too far on for this
    ├── SessionEnded        a session ended instead of reaching a state
    ├── NotReached          a session did not reach a state in time (a TimeoutError, too)
    ├── ShellGone           the shell of a terminal ended while nobody was connected
    ├── ContentDiffers      a transferred file is not the same on both sides
    └── FileUnusable        a local file cannot be read or written
"""

from collections.abc import Sequence

from quarterdeck.base.errors import QuarterdeckError


class ClientError(QuarterdeckError):
    """The client could not do this."""


class Refused(ClientError):
    """The platform refused."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        field: str | None = None,
        trace: str | None = None,
    ) -> None:
        """Keep what the platform said: HTTP status, stable code, detail, dotted path of the field, trace id."""
        super().__init__(detail, field=field)
        self.status = status
        self.code = code  # type: ignore[misc]  # what the platform says, not what the class says
        self.trace = trace

    def __str__(self) -> str:
        where = f" ({self.field})" if self.field else ""
        return f"{self.code}{where}: {self.detail}"


class Unreachable(ClientError):
    """The platform cannot be reached."""

    code = "unavailable"


class OutcomeUnknown(ClientError):
    """The request may have been carried out or not."""

    code = "outcome-unknown"


class NotFound(ClientError):
    """Nothing has this name."""

    code = "not-found"


class Ambiguous(ClientError):
    """Several things could be meant."""

    code = "ambiguous"

    def __init__(self, given: str, candidates: Sequence[str], *, kind: str = "session") -> None:
        """Name what was given, of which kind of thing, and the first of the candidates."""
        listed = ", ".join(candidates[:5]) + (", …" if len(candidates) > 5 else "")
        super().__init__(f"{given!r} fits {len(candidates)} {kind}s: {listed}", field=kind)


class TooLate(ClientError):
    """The session is too far on."""

    code = "too-late"


class SessionEnded(ClientError):
    """The session ended before it got there."""

    code = "session-ended"

    def __init__(self, session: str, wanted: str, status: str, cause: str) -> None:
        """Name the session, the state that was waited for, the one it ended in, and why."""
        super().__init__(f"session {session} became {status} and will not be {wanted}: {cause}")
        self.status = status
        self.cause = cause


class NotReached(ClientError, TimeoutError):
    """The session did not get there in time."""

    code = "not-reached"


class ShellGone(ClientError):
    """The shell has ended while the connection was lost."""

    code = "shell-gone"


class ContentDiffers(ClientError):
    """The file is not the same on both sides."""

    code = "checksum-mismatch"


class FileUnusable(ClientError):
    """The local file cannot be used."""

    code = "file-unusable"
