"""How far the history is settled, and whose sessions it is about: one reader for all who follow all of their sessions.

Sequence numbers are given out before their transactions commit, so a row may appear behind one with a higher number. Rows up to
`horizon` are settled: no other will appear among them. (Within one session rows appear in order, and nobody needs this.)
"""

import contextlib
from collections.abc import Iterator

from quarterdeck.base import tasks
from quarterdeck.base.tasks import Wake
from quarterdeck.manager.events import ports

SETTLE_SECONDS = 0.005
"""Transactions that write history are short: this soon those under way may have ended."""
SETTLE_LOOKS_MAX = 1000


class Feed:
    """Follows the history as long as somebody watches."""

    def __init__(self, rows: ports.Rows, bell: ports.Bell, wake: Wake) -> None:
        """`wake` wakes whoever runs `step`; others may set it, too."""
        self._rows = rows
        self._bell = bell
        self._wake = wake
        self._watchers: dict[str, set[Wake]] = {}
        self._listening = contextlib.ExitStack()
        self.horizon: int | None = None
        """Rows up to this number are settled; None: not known yet."""

    @contextlib.contextmanager
    def watching(self, owner: str, wake: Wake) -> Iterator[None]:
        """Ring an alarm when the horizon has moved over a change of this user's sessions, for the time of a block."""
        if not self._watchers:
            self._listening.enter_context(self._bell.anything(self._wake))
        self._watchers.setdefault(owner, set()).add(wake)
        self._wake.set()
        try:
            yield
        finally:
            self._watchers[owner].discard(wake)
            if not self._watchers[owner]:
                del self._watchers[owner]
            if not self._watchers:
                self._listening.close()
                self.horizon = None

    async def step(self) -> None:
        """Move the horizon as far as it goes, and ring for those whom that concerns."""
        if not self._watchers:
            return
        mark = await self._rows.mark()
        if mark == self.horizon:
            return
        await self._settle()
        before = self.horizon
        owners = await self._rows.owners(before, mark) if before is not None else self._watchers
        if not self._watchers:
            return
        self.horizon = mark
        for owner in tuple(owners):
            for wake in self._watchers.get(owner, ()):
                wake.set()

    async def _settle(self) -> None:
        """Wait until every transaction has ended that writes history now. Raises TimeoutError."""
        writers = await self._rows.writers()
        for _ in range(SETTLE_LOOKS_MAX):
            if not writers:
                return
            await tasks.pause(SETTLE_SECONDS)
            writers &= await self._rows.writers()
        raise TimeoutError(f"{len(writers)} transactions that write history have not ended")
