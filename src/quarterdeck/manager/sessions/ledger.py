"""The reconciler's ledger in PostgreSQL: the kernels that agents should have; the SQL is in `queries.sql`."""

from collections.abc import Sequence

from quarterdeck.base import ids
from quarterdeck.infra import postgres, queries
from quarterdeck.manager import statements
from quarterdeck.manager.sessions import model
from quarterdeck.wire import sessions

LOST_SESSIONS_AT_ONCE_MAX = 200

_SQL = queries.load(__package__)


class ReconcilerLedger:
    """The port `Ledger` on a database."""

    def __init__(self, database: postgres.Database) -> None:
        self._database = database

    async def alive(self) -> Sequence[model.Place]:
        """Return the agents that answer."""
        return [model.Place(**row) for row in await self._database.fetch(_SQL["alive_agents"])]

    async def place(self, agent: str) -> model.Place | None:
        """Return an agent, if it is alive."""
        row = await self._database.fetch_one(_SQL["alive_agent"], {"agent": agent})
        return None if row is None else model.Place(**row)

    async def running_on(self, agent: str) -> Sequence[model.Running]:
        """Return the kernels that are RUNNING on an agent."""
        rows = await self._database.fetch(_SQL["running_on"], {"agent": agent})
        return [model.Running(**row | {"type": sessions.SessionType(row["type"])}) for row in rows]

    async def agent_of_running(self, kernel: str) -> str | None:
        """Return the agent of a kernel that is RUNNING."""
        row = await self._database.fetch_one(_SQL["agent_of_running"], {"kernel": kernel})
        return None if row is None else row["agent"]

    async def orphans(self, kernels: Sequence[str]) -> Sequence[str]:
        """Return those of the kernels that are TERMINATED or not known at all."""
        known = [kernel for kernel in kernels if ids.is_id(kernel)]
        rows = await self._database.fetch(_SQL["live_kernels_among"], {"kernels": known})
        live = {row["id"] for row in rows}
        return [kernel for kernel in kernels if kernel not in live]

    async def settle_lost(self) -> Sequence[str]:
        """End kernels of LOST agents: sessions not yet begun wait again, others end. Returns the sessions; none: all done."""
        limit = {"limit": LOST_SESSIONS_AT_ONCE_MAX}
        found = await self._database.fetch(_SQL["sessions_of_lost"], limit)
        if not found:
            return []
        wanted = {"sessions": [row["id"] for row in found]}
        async with self._database.transaction() as tx:
            await statements.execute(tx, _SQL["lock_sessions"], wanted)
            lost = await statements.fetch(tx, _SQL["still_lost"], wanted)
            sessions_lost = [row["session"] for row in lost]
            waiting = await statements.fetch(
                tx, _SQL["lost_waiting_kernels"], {"sessions": sessions_lost}
            )
            facts = {
                "sessions": sessions_lost,
                "kernels": [row["kernel"] for row in (*lost, *waiting)],
            }
            for step in (
                "lost_wait_again",
                "lost_end",
                "lost_kernels_end",
                "lost_kernels_ended",
                "lost_ended",
            ):
                await statements.execute(tx, _SQL[step], facts)
        return sorted(set(sessions_lost))
