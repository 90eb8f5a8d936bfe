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
        """Make the agents that `read` gives ALIVE, the others LOST unless that is doubted; return the ids of those that changed."""
        async with self._database.transaction() as tx:
            await statements.execute(tx, _SQL["lock_agents"], {"lock": locks.AGENTS})
            registered = await read()
            facts = _facts(registered.records)
            changed = await statements.fetch(tx, _SQL["upsert_alive"], facts)
            if not registered.doubted:
                changed += await statements.fetch(tx, _SQL["mark_lost"], {"ids": facts["ids"]})
        return [row["id"] for row in changed]

    async def list(self) -> Sequence[agents.AgentView]:
        """Return all agents by id, with the slots in use."""
        return [
            _view(row) for row in await self._database.fetch(_SQL["list_agents"], {"id": None})
        ]

    async def drain(self, id_: str, deadline_seconds: float | None) -> agents.AgentView | None:
        """Have nothing placed on an agent from now on, and its sessions ended after some seconds; None: there is no such agent."""
        wanted = {"id": id_, "seconds": deadline_seconds}
        async with self._database.transaction() as tx:
            await statements.execute(tx, _SQL["lock_agents"], {"lock": locks.PLACEMENT})
            await statements.execute(tx, _SQL["drain"], wanted)
        return await self._one(id_)

    async def resume(self, id_: str) -> agents.AgentView | None:
        """Have sessions placed on an agent again; None: there is no such agent."""
        await self._database.execute(_SQL["resume"], {"id": id_})
        return await self._one(id_)

    async def _one(self, id_: str) -> agents.AgentView | None:
        row = await self._database.fetch_one(_SQL["list_agents"], {"id": id_})
        return None if row is None else _view(row)


def _facts(records: Sequence[agents.AgentRecord]) -> dict[str, Sequence[object]]:
    return {
        "ids": [record.id for record in records],
        "instances": [record.instance for record in records],
        "addresses": [record.address for record in records],
        "cpu": [record.slots.cpu for record in records],
        "memory_mib": [record.slots.memory_mib for record in records],
        "architectures": [record.architecture for record in records],
        "isolations": [record.isolation.value for record in records],
        "mounts": [record.mounts for record in records],
    }


def _view(row: statements.Row) -> agents.AgentView:
    return agents.AgentView(
        id=row["id"],
        status=agents.AgentStatus(row["status"]),
        address=agents.address(row["address"]),
        slots=sessions.Slots(row["cpu"], row["memory_mib"]),
        used=sessions.Usage(row["used_cpu"], row["used_memory_mib"]),
        schedulable=row["schedulable"],
        drain_deadline=row["drain_deadline"],
        kernels=row["kernels"],
        instance=row["instance"],
        seen_at=row["seen_at"],
    )
