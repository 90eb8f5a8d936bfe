"""Sessions whose time is up, and where the loop that ends them reads of them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from quarterdeck.manager.sessions import model
from quarterdeck.wire import sessions


@dataclass(frozen=True, slots=True)
class Overdue:
    """A session whose time is up: which of its time-outs, of how many seconds; a kernel of it, whose agent may not answer (None)."""

    session: str
    type: sessions.SessionType
    kernel: str
    agent: str
    address: str | None
    time_out: str
    seconds: int

    def end(self) -> model.End:
        """Return why it ends."""
        task = self.time_out == "batch_seconds"
        reason = model.Reason.TASK_TIMEOUT if task else model.Reason.LIFETIME_TIMEOUT
        return model.End(reason, f"reached its limit of {self.seconds} seconds ({self.time_out})")


class Deadlines(Protocol):
    """Sessions and the time that they have."""

    async def overdue(self) -> Sequence[Overdue]:
        """Return running sessions whose time is up by the database's clock, some hundreds at most."""
        ...

    async def expire(self, overdue: Overdue) -> Sequence[model.Due]:
        """End a session if it still runs and its time is still up. Returns its kernels, which have to end for it."""
        ...
