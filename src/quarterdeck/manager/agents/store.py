"""Agents in PostgreSQL; the SQL is in `queries.sql`."""

from collections.abc import Sequence

from quarterdeck.infra import postgres, queries
from quarterdeck.manager import locks, statements
from quarterdeck.manager.agents import ports
from quarterdeck.wire import agents, sessions

_SQL = queries.load(__package__)


class AgentStore:
    """The port `Agents` on a database."""

    def __init__(self, database: postgres.Database) -> None:
        self._database = database

    async def sync(self, read: ports.Read) -> Sequence[str]:
        """Make exactly the agents that `read` gives ALIVE, the others LOST; return the ids of those that changed."""
        async with self._database.transaction() as tx:
            await statements.execute(tx, _SQL["lock_agents"], {"lock": locks.AGENTS})
            facts = _facts(await read())
            changed = await statements.fetch(tx, _SQL["upsert_alive"], facts)
            changed += await statements.fetch(tx, _SQL["mark_lost"], {"ids": facts["ids"]})
        return [row["id"] for row in changed]

    async def list(self) -> Sequence[agents.AgentView]:
        """Return all agents by id, with the slots in use."""
        return [_view(row) for row in await self._database.fetch(_SQL["list_agents"])]


def _facts(records: Sequence[agents.AgentRecord]) -> dict[str, Sequence[object]]:
    return {
        "ids": [record.id for record in records],
        "instances": [record.instance for record in records],
        "addresses": [record.address for record in records],
        "cpu": [record.slots.cpu for record in records],
        "memory_mib": [record.slots.memory_mib for record in records],
        "architectures": [record.architecture for record in records],
    }


def _view(row: statements.Row) -> agents.AgentView:
    return agents.AgentView(
        id=row["id"],
        status=agents.AgentStatus(row["status"]),
        address=agents.address(row["address"]),
        slots=sessions.Slots(row["cpu"], row["memory_mib"]),
        used=sessions.Usage(row["used_cpu"], row["used_memory_mib"]),
        schedulable=row["schedulable"],
        instance=row["instance"],
        seen_at=row["seen_at"],
    )
