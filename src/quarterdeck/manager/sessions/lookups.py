"""Quick reads about one session in PostgreSQL: its history, where it runs, what it wrote, why it waits; the SQL is in `queries.sql`."""

from quarterdeck.infra import postgres, queries
from quarterdeck.manager import statements
from quarterdeck.manager.sessions import model
from quarterdeck.manager.sessions.outlook import Situation, Unmet
from quarterdeck.wire import sessions

HISTORY_ROWS_MAX = 1000

_SQL = queries.load(__package__)


class SessionLookups:
    """The port `Lookups` on a database."""

    def __init__(self, database: postgres.Database) -> None:
        self._database = database

    async def history(self, session: str, after: int) -> model.Recorded | None:
        """Return the changes of a session and its kernels after a sequence number, in order, a thousand at most."""
        rows = await self._database.look(
            _SQL["history"], {"session": session, "after": after, "limit": HISTORY_ROWS_MAX}
        )
        if not rows:
            return None
        owner = rows[0]["owner"]
        return model.Recorded(owner, tuple(map(_history, filter(_is_change, rows))))

    async def route(self, session: str, hostname: str) -> model.Route | None:
        """Return where a kernel of a session runs."""
        row = await self._database.look_one(_SQL["route"], {"id": session, "hostname": hostname})
        if row is None:
            return None
        status = sessions.SessionStatus(row["status"])
        return model.Route(
            row["owner"], status, row["kernel"], row["address"], row["runs_command"]
        )

    async def kept_logs(self, session: str) -> sessions.Logs | None:
        """Return what a session had written, if that was kept."""
        row = await self._database.look_one(_SQL["kept_logs"], {"session": session})
        return None if row is None else sessions.Logs(**row)

    async def situation(self, session: str) -> Situation | None:
        """Return what a PENDING session waits for, and what agents have; None: it is not PENDING."""
        row = await self._database.look_one(_SQL["situation"], {"id": session})
        if row is None:
            return None
        slots = sessions.Slots(row.pop("cpu"), row.pop("memory_mib"))
        unmet = tuple(Unmet(*each) for each in row.pop("unmet") or ())
        for names in ("architectures", "offered", "isolations"):
            row[names] = tuple(row[names] or ())
        return Situation(slots, unmet=unmet, **row)


def _is_change(row: statements.Row) -> bool:
    return row["seq"] is not None


def _history(row: statements.Row) -> sessions.HistoryRow:
    before = row["from_status"]
    return sessions.HistoryRow(
        seq=row["seq"],
        session=row["session"],
        kernel=row["kernel"],
        from_status=None if before is None else sessions.SessionStatus(before),
        to_status=sessions.SessionStatus(row["to_status"]),
        cause=row["cause"],
        actor=row["actor"],
        at=row["at"],
    )
