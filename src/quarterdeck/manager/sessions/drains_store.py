"""Sessions that are still on drained agents when that deadline has passed, in PostgreSQL; the SQL is in `queries.sql`."""

from collections.abc import Sequence

from quarterdeck.infra import postgres, queries
from quarterdeck.manager.sessions import model
from quarterdeck.manager.sessions.deadlines import Command, Overdue

OVERSTAYING_ROWS_MAX = 500

_SQL = queries.load(__package__)
_END = model.End(model.Reason.AGENT_DRAINED)


class DrainStore:
    """The port `Deadlines` on a database: the deadlines of drained agents."""

    def __init__(self, database: postgres.Database) -> None:
        self._database = database

    async def overdue(self) -> Sequence[Overdue]:
        """Return sessions that are on drained agents for too long, some hundreds at most."""
        rows = await self._database.fetch(_SQL["overstaying"], {"limit": OVERSTAYING_ROWS_MAX})
        return [
            Overdue(
                row["session"],
                _END,
                row["kernel"] and Command(row["kernel"], row["agent"], row["address"]),
            )
            for row in rows
        ]

    async def expire(self, overdue: Overdue) -> Sequence[model.Due]:
        """End a session unless its agents have been resumed meanwhile. Returns its kernels, which have to end for it."""
        rows = await self._database.fetch(
            _SQL["end_overstaying"],
            {"session": overdue.session, "reason": overdue.end.reason.value},
        )
        return [model.Due(**row) for row in rows]
