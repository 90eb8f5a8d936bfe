"""The history in PostgreSQL as those who follow it read it; the SQL is in `queries.sql`."""

from collections.abc import Sequence, Set

import msgspec

from quarterdeck.infra import postgres, queries
from quarterdeck.manager import statements
from quarterdeck.manager.events import model
from quarterdeck.wire import sessions

ROWS_MAX = 500

_SQL = queries.load(__package__)


class EventStore:
    """The port `Rows` on a database."""

    def __init__(self, database: postgres.Database) -> None:
        self._database = database

    async def of_session(self, session: str, after: int) -> model.Recorded | None:
        """Return the changes of a session and its kernels after a sequence number, in order; None: no session."""
        found = await self._database.fetch(
            _SQL["of_session"], {"session": session, "after": after, "limit": ROWS_MAX}
        )
        if not found:
            return None
        rows = tuple(_row(each) for each in found if each["seq"] is not None)
        ended = found[0]["session_status"] in sessions.SESSION_TERMINAL
        last = await self._terminal(session) if ended and len(rows) < ROWS_MAX else None
        return model.Recorded(found[0]["owner"], rows, last)

    async def of_owner(
        self, owner: str, after: int, until: int
    ) -> tuple[Sequence[sessions.HistoryRow], int]:
        """Return changes of a user's sessions in a range of numbers, in order, and up to which number these are all."""
        given = {"owner": owner, "after": after, "until": until, "limit": ROWS_MAX}
        rows = [_row(each) for each in await self._database.fetch(_SQL["of_owner"], given)]
        return rows, until if len(rows) < ROWS_MAX else rows[-1].seq

    async def mark(self) -> int:
        """Return the highest sequence number that was ever given out."""
        row = await self._database.fetch_one(_SQL["mark"])
        return 0 if row is None else int(row["seq"])

    async def writers(self) -> Set[str]:
        """Return the transactions under way that may have been given numbers."""
        found = await self._database.fetch(_SQL["writers"])
        return {row["transaction"] for row in found}

    async def owners(self, after: int, until: int) -> Sequence[str]:
        """Return the users whose sessions changed in a range of numbers."""
        found = await self._database.fetch(_SQL["owners"], {"after": after, "until": until})
        return [row["owner"] for row in found]

    async def _terminal(self, session: str) -> sessions.HistoryRow | None:
        row = await self._database.fetch_one(_SQL["terminal_row"], {"session": session})
        return None if row is None else _row(row)


def _row(row: statements.Row) -> sessions.HistoryRow:
    return msgspec.convert(row, sessions.HistoryRow)
