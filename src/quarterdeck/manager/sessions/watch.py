"""Somebody who waits for a kernel to be looked after, and what he is told."""

from dataclasses import dataclass
from datetime import datetime

from quarterdeck.base.tasks import Wake
from quarterdeck.wire import sessions


@dataclass(frozen=True, slots=True)
class Ran:
    """A kernel that runs by the books now. The times are its session's; `started_at` is None while that waits for other kernels."""

    isolation: sessions.IsolationLevel
    started_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(slots=True)
class Watch:
    """`wake` rings when the kernel was looked after; `ran` is set before that if it came to run."""

    wake: Wake
    ran: Ran | None = None
