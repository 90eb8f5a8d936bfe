"""Placement in PostgreSQL; the SQL is in `queries.sql`, what guards it in the function `place_sessions` of the schema."""

from collections.abc import Sequence

from quarterdeck.base import ids
from quarterdeck.base.clock import Clock
from quarterdeck.infra import postgres, queries
from quarterdeck.manager.scheduling import model
from quarterdeck.wire import sessions

_SQL = queries.load(__package__)


class PlacementStore:
    """The port `Placements` on a database."""

    def __init__(self, database: postgres.Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def facts(self, most: int) -> model.Facts | None:
        """Return what there is to decide about: up to `most` of the oldest waiting sessions that fit somewhere; None: none waits at all."""
        found = await self._database.fetch_one(_SQL["facts"], {"limit": most})
        if found is None or not found["anybody"]:
            return None
        return model.Facts(
            [
                model.Waiting(
                    *(each, sessions.Slots(cpu, memory_mib), size, tuple(architectures)),
                    isolation=_level(isolation),
                    mounts=mounts,
                )
                for each, cpu, memory_mib, size, architectures, isolation, mounts in found[
                    "waiting"
                ]
                or ()
            ],
            [
                model.Room(
                    *(each, sessions.Usage(cpu, memory_mib), architecture),
                    isolation=sessions.IsolationLevel(isolation),
                    mounts=mounts,
                )
                for each, cpu, memory_mib, architecture, isolation, mounts in found["rooms"] or ()
            ],
        )

    async def write(self, decided: Sequence[model.Placement]) -> Sequence[model.Placed]:
        """Write placements and return the kernels of those that still held: the session waits, the agents have the room."""
        kernels = [
            (rank, placement.slots, model.Placed(ids.new(self._clock), placement.session, agent))
            for placement in decided
            for rank, agent in enumerate(placement.agents)
        ]
        columns = {
            "kernels": [kernel.kernel for _, _, kernel in kernels],
            "sessions": [kernel.session for _, _, kernel in kernels],
            "ranks": [rank for rank, _, _ in kernels],
            "agents": [kernel.agent for _, _, kernel in kernels],
            "cpu": [slots.cpu for _, slots, _ in kernels],
            "memory_mib": [slots.memory_mib for _, slots, _ in kernels],
        }
        placed = {row["session"] for row in await self._database.fetch(_SQL["place"], columns)}
        return [kernel for _, _, kernel in kernels if kernel.session in placed]


def _level(text: str | None) -> sessions.IsolationLevel | None:
    return None if text is None else sessions.IsolationLevel(text)
