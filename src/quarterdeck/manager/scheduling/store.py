"""Placement in PostgreSQL; the SQL is in `queries.sql`, what guards it in the function `place_sessions` of the schema."""

from collections.abc import Sequence

from quarterdeck.base import ids
from quarterdeck.base.clock import Clock
from quarterdeck.infra import postgres, queries
from quarterdeck.manager import statements
from quarterdeck.manager.scheduling import model
from quarterdeck.wire import sessions

_SQL = queries.load(__package__)


class PlacementStore:
    """The port `Placements` on a database."""

    def __init__(self, database: postgres.Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def facts(self, most: int) -> model.Facts | None:
        """Return what there is to decide about: up to `most` of the oldest waiting sessions that fit somewhere; None: there are none."""
        found = await self._database.fetch_one(_SQL["facts"], {"limit": most})
        if found is None or found["waiting"] is None:
            return None
        return model.Facts(
            [model.Waiting(each, sessions.Slots(*slots)) for each, *slots in found["waiting"]],
            [model.Room(each, sessions.Usage(*free)) for each, *free in found["rooms"]],
        )

    async def write(self, decided: Sequence[model.Placement]) -> Sequence[model.Placement]:
        """Write placements and return those that still held: the session waits, the agent has the room."""
        rows = await self._database.fetch(_SQL["place"], self._columns(decided))
        placed = {row["session"] for row in rows}
        return [placement for placement in decided if placement.session in placed]

    def _columns(self, decided: Sequence[model.Placement]) -> statements.Row:
        return {
            "kernels": [ids.new(self._clock) for _ in decided],
            "sessions": [placement.session for placement in decided],
            "agents": [placement.agent for placement in decided],
            "cpu": [placement.slots.cpu for placement in decided],
            "memory_mib": [placement.slots.memory_mib for placement in decided],
        }
