"""Probe for what a test may leave in PostgreSQL besides rows: sessions, transactions, locks."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shakeout.checks import leaks
from shakeout.checks.leaks import Things
from shakeout.services.errors import QueryFailed
from shakeout.services.postgres_wire import Row, Session

PREPARE = """
PREPARE shakeout_leaks AS
SELECT coalesce(activity.state, 'starting'),
       coalesce(nullif(activity.application_name, ''), 'unnamed'),
       activity.pid::text,
       coalesce(left(activity.query, 60), '')
  FROM pg_stat_activity AS activity
 WHERE activity.backend_type = 'client backend' AND activity.pid <> pg_backend_pid()
 UNION ALL
SELECT 'advisory lock',
       coalesce(nullif(activity.application_name, ''), 'unnamed'),
       lock.pid::text,
       lock.classid::text || '/' || lock.objid::text
  FROM pg_locks AS lock LEFT JOIN pg_stat_activity AS activity USING (pid)
 WHERE lock.locktype = 'advisory'
 UNION ALL
SELECT 'prepared transaction', owner::text, gid, '' FROM pg_prepared_xacts
 ORDER BY 1, 2, 3
"""
EXECUTE = "EXECUTE shakeout_leaks"
NO_SESSION = ("advisory lock", "prepared transaction")


@dataclass(frozen=True)
class Sessions:
    """Sessions by application; an application of the cluster may open more, if they are idle.

    A pool grows and shrinks as it likes. A session of somebody who had none before the test, one that
    is in a transaction or runs a query, and an advisory lock must be gone after the test.
    """

    name: str
    socket: Path
    user: str
    database: str
    _open: list[Session] = field(default_factory=list)

    async def snapshot(self) -> Things:
        """A session of ours that somebody has cut, as tests do, is made anew."""
        if self._open:
            with contextlib.suppress(OSError, QueryFailed):
                return await self._look()
        return await self._look()

    async def _look(self) -> Things:
        try:
            if not self._open:
                self._open.append(await Session.open(self.socket, self.user, self.database))
                await self._open[0].query(PREPARE)
            return things(await self._open[0].query(EXECUTE))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the probe's own session, which is kept because a new one costs more than the question."""
        for session in self._open:
            session.close()
        self._open.clear()


def things(rows: Sequence[Row]) -> Things:
    """One thing for all sessions of an application, one more for each that is not idle. Pure."""
    sessions: dict[str, str] = {}
    others: list[tuple[str, str]] = []
    for kind, application, identity, detail in rows:
        told = f"backend {identity}: {detail}"
        if kind not in NO_SESSION:
            sessions.setdefault(f"session of {application}", told)
        if kind != "idle":
            others.append((f"{kind} of {application}", told))
    return {**sessions, **leaks.count(others)}
