"""Sessions whose time is up, and where the loops that end them read of them: their own time-outs, and the deadlines of drained agents. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from quarterdeck.manager.sessions import model


@dataclass(frozen=True, slots=True)
class Command:
    """The kernel that runs a batch session's command, and its agent, which may not answer (no address)."""

    kernel: str
    agent: str
    address: str | None


@dataclass(frozen=True, slots=True)
class Overdue:
    """A session whose time is up, and how it ends: unless its command, if that was begun, has ended by itself."""

    session: str
    end: model.End
    command: Command | None = None


class Deadlines(Protocol):
    """Sessions and the time that they have."""

    async def overdue(self) -> Sequence[Overdue]:
        """Return sessions whose time is up by the database's clock, some hundreds at most."""
        ...

    async def expire(self, overdue: Overdue) -> Sequence[model.Due]:
        """End a session if its time is still up. Returns its kernels, which have to end for it."""
        ...


def timed_out(time_out: str, seconds: int) -> model.End:
    """Return how a session ends that has reached one of its own time-outs."""
    task = time_out == "batch_seconds"
    reason = model.Reason.TASK_TIMEOUT if task else model.Reason.LIFETIME_TIMEOUT
    return model.End(reason, f"reached its limit of {seconds} seconds ({time_out})")
