"""Following the history: of one session to its end, or of all sessions of a user. Whoever follows reads from where they are; nothing is queued."""

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from quarterdeck.base.tasks import Wake
from quarterdeck.manager.events import errors, model, ports
from quarterdeck.manager.events.feed import Feed
from quarterdeck.manager.identity.model import Principal

STREAMS_MAX = 1000
STREAMS_PER_USER_MAX = 100


class Watch(Protocol):
    """One follower's place in the history."""

    def ringing(self, wake: Wake) -> AbstractContextManager[object]:
        """Ring an alarm when a look may be worth it, for the time of a block."""
        ...

    async def look(self) -> model.Batch:
        """Return what has come since the last look, a bounded part of it at a time. Raises `SessionNotFound`."""
        ...


class EventService:
    """The use cases of following events."""

    def __init__(self, rows: ports.Rows, bell: ports.Bell, feed: Feed) -> None:
        self._rows = rows
        self._bell = bell
        self._feed = feed
        self._open: dict[str, int] = {}

    @property
    def streams(self) -> int:
        """How many are followed now."""
        return sum(self._open.values())

    def session(self, by: Principal, session: str, after: int | None) -> Watch:
        """Follow one session, from its beginning or after a sequence number."""
        return _SessionWatch(self._rows, self._bell, by=by, session=session, after=after or 0)

    def own(self, by: Principal, after: int | None) -> Watch:
        """Follow all of one's own sessions, from now on or after a sequence number."""
        return _OwnWatch(self._rows, self._feed, by.user, after)

    @contextlib.contextmanager
    def place(self, by: Principal) -> Iterator[None]:
        """Take a place for a stream for the time of a block. Raises `TooManyStreams`."""
        own = self._open.get(by.user, 0)
        if own >= STREAMS_PER_USER_MAX:
            raise errors.TooManyStreams(f"You follow {own} streams of events already")
        if self.streams >= STREAMS_MAX:
            raise errors.TooManyStreams
        self._open[by.user] = own + 1
        try:
            yield
        finally:
            self._open[by.user] -= 1
            if not self._open[by.user]:
                del self._open[by.user]


class _SessionWatch:
    """The story of one session: it ends with the session."""

    def __init__(
        self, rows: ports.Rows, bell: ports.Bell, *, by: Principal, session: str, after: int
    ) -> None:
        self._rows, self._bell = rows, bell
        self._by, self._session, self._cursor = by, session, after

    def ringing(self, wake: Wake) -> AbstractContextManager[object]:
        return self._bell.waiting(self._session, wake)

    async def look(self) -> model.Batch:
        found = await self._rows.of_session(self._session, self._cursor)
        if found is None or not self._by.may_see(found.owner):
            raise errors.SessionNotFound
        if found.rows:
            self._cursor = found.rows[-1].seq
        return model.Batch(found.rows, self._cursor, found.last)


class _OwnWatch:
    """The story of all sessions of a user: it does not end."""

    def __init__(self, rows: ports.Rows, feed: Feed, owner: str, after: int | None) -> None:
        self._rows, self._feed, self._owner, self._cursor = rows, feed, owner, after

    def ringing(self, wake: Wake) -> AbstractContextManager[object]:
        return self._feed.watching(self._owner, wake)

    async def look(self) -> model.Batch:
        if self._cursor is None:
            self._cursor = await self._rows.mark()
        horizon = self._feed.horizon
        if horizon is None or self._cursor >= horizon:
            return model.Batch((), self._cursor)
        rows, self._cursor = await self._rows.of_owner(self._owner, self._cursor, horizon)
        return model.Batch(tuple(rows), self._cursor)
