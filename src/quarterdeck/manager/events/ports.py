"""What following events needs of the world: the history, and somebody who rings when it grows."""

from collections.abc import Sequence, Set
from contextlib import AbstractContextManager
from typing import Protocol

from quarterdeck.base.tasks import Wake
from quarterdeck.manager.events import model
from quarterdeck.wire import sessions


class Rows(Protocol):
    """The history, a bounded number of rows at a time."""

    async def of_session(self, session: str, after: int) -> model.Recorded | None:
        """Return the changes of a session and its kernels after a sequence number, in order; None: no session."""
        ...

    async def of_owner(
        self, owner: str, after: int, until: int
    ) -> tuple[Sequence[sessions.HistoryRow], int]:
        """Return changes of a user's sessions in a range of numbers, in order, and up to which number these are all."""
        ...

    async def mark(self) -> int:
        """Return the highest sequence number that was ever given out."""
        ...

    async def writers(self) -> Set[str]:
        """Return the transactions under way that may have been given numbers."""
        ...

    async def owners(self, after: int, until: int) -> Sequence[str]:
        """Return the users whose sessions changed in a range of numbers."""
        ...


class Bell(Protocol):
    """Rings when the history has grown, perhaps more often."""

    def waiting(self, session: str, wake: Wake) -> AbstractContextManager[object]:
        """Ring an alarm when a session has changed, for the time of a block."""
        ...

    def anything(self, wake: Wake) -> AbstractContextManager[object]:
        """Ring an alarm when any session has changed, for the time of a block."""
        ...
