"""Somebody who waits for a kernel to be looked after, and what he is told."""

from dataclasses import dataclass
from datetime import datetime

from quarterdeck.base.tasks import Wake
from quarterdeck.manager.sessions import model
from quarterdeck.wire import sessions
from quarterdeck.wire.executions import Execute, Execution


@dataclass(frozen=True, slots=True)
class Ran:
    """A kernel that runs by the books now. The times are its session's; `started_at` is None while that waits for other kernels."""

    isolation: sessions.IsolationLevel
    started_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Over:
    """A session that has ended by the books with the last of its kernels: what could have changed of it meanwhile."""

    terminated_at: datetime
    reason: str | None
    result: sessions.SessionResult
    detail: str | None = None
    exit_code: int | None = None
    started_at: datetime | None = None
    expires_at: datetime | None = None
    isolation: sessions.IsolationLevel | None = None


@dataclass(slots=True)
class Watch:
    """`wake` rings when the kernel was looked after; before that is set what came of it, if it runs or its session is over.

    `first` is asked of the kernel with its creation; what came of it is in `execution`, if that was known at once.
    """

    wake: Wake
    first: Execute | None = None
    execution: Execution | None = None
    in_hand: bool = False
    """Whether this manager is about to look after the kernel, or does."""
    work: model.Work | None = None
    """What was asked of the kernel's agent, if the kernel ran."""
    ran: Ran | None = None
    flushed: bool = False
    """Whether the session came on disk when it began to run."""
    over: Over | None = None
