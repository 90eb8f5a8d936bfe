"""Long polls on the history of a session: an answer as soon as there is news, after at most the time asked for."""

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from quarterdeck.base.clock import Clock
from quarterdeck.base.tasks import Wake
from quarterdeck.manager.identity.model import Principal
from quarterdeck.manager.sessions import errors, ports
from quarterdeck.wire import sessions

WAITERS_MAX = 2000
TURN_SECONDS = 1.0
"""A kernel that is not looked after so soon may be looked after by somebody else."""
LOOK_SECONDS = 5.0
"""A waiter looks this often even if nobody wakes it: a notification may be lost with its connection."""


Look = Callable[[], Awaitable[sessions.SessionView]]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client waits, and for which state of the session (None: for any news).

    `over` tells whether it waits in vain by now; `wake` rings when that becomes so.
    """

    seconds: float
    wake: Wake
    over: Callable[[], bool]
    until: sessions.SessionStatus | None = None

    def satisfied(self, rows: Sequence[sessions.HistoryRow]) -> bool:
        """Tell whether these rows are what the client waits for: an end always is."""
        if self.until is None:
            return bool(rows)
        return any(row.kernel is None and self.is_reached(row.to_status) for row in rows)

    def is_reached(self, status: sessions.SessionStatus) -> bool:
        """Tell whether a session in this state is where the client wants it, or has ended."""
        return status is self.until or status in sessions.SESSION_TERMINAL


class HistoryService:
    """The history of sessions, and the wait for it and for states."""

    def __init__(self, lookups: ports.Lookups, news: ports.History, clock: Clock) -> None:
        self._lookups = lookups
        self._news = news
        self._clock = clock
        self._waiters = 0

    async def history(
        self, by: Principal, session: str, after: int, patience: Patience
    ) -> Sequence[sessions.HistoryRow]:
        """Return the changes after a sequence number, as soon as there is what the client waits for. Raises `SessionNotFound`, `TooManyWaiters`."""
        if patience.seconds <= 0:
            return await self._look(by, session, after)
        with self.place(), self._news.waiting(session, patience.wake):
            return await self._wait(by, session, after, patience)

    async def settled(
        self, session: str, look: Look, patience: Patience, *, in_hand: Callable[[], bool]
    ) -> sessions.SessionView:
        """Return a session, as `look` gives it, once it is where the client wants it, has ended, or time is up. In a `place`.

        `in_hand` tells whether somebody is about to look after it and rings the alarm then: before that a look is seldom worth its while,
        whatever the database notifies of.
        """
        deadline = self._clock.monotonic() + patience.seconds
        left = patience.seconds
        while True:
            if in_hand():
                await patience.wake.wait(min(left, TURN_SECONDS))
            with self._news.waiting(session, patience.wake):
                view = await look()
                left = deadline - self._clock.monotonic()
                if patience.is_reached(view.status) or left <= 0 or patience.over():
                    return view
                await patience.wake.wait(min(left, LOOK_SECONDS))
            left = deadline - self._clock.monotonic()

    async def _wait(
        self, by: Principal, session: str, after: int, patience: Patience
    ) -> Sequence[sessions.HistoryRow]:
        deadline = self._clock.monotonic() + patience.seconds
        while True:
            rows = await self._look(by, session, after)
            left = deadline - self._clock.monotonic()
            if patience.satisfied(rows) or left <= 0 or patience.over():
                return rows
            await patience.wake.wait(min(left, LOOK_SECONDS))

    async def _look(
        self, by: Principal, session: str, after: int
    ) -> Sequence[sessions.HistoryRow]:
        recorded = await self._lookups.history(session, after)
        if recorded is None or not by.may_see(recorded.owner):
            raise errors.SessionNotFound
        return recorded.rows

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Be one of those who wait, for the time of a block. Raises `TooManyWaiters`."""
        if self._waiters >= WAITERS_MAX:
            raise errors.TooManyWaiters
        self._waiters += 1
        try:
            yield
        finally:
            self._waiters -= 1
