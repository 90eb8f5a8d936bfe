"""The port of the manager's scheduling without a database."""

from collections.abc import Sequence

from quarterdeck.manager.scheduling import model as scheduling
from quarterdeck.testing.fakes.manager import kernel_of


class FakePlacements:
    """Placement over lists: `waiting` sessions, `rooms` of agents."""

    def __init__(
        self, waiting: Sequence[scheduling.Waiting], rooms: Sequence[scheduling.Room]
    ) -> None:
        self.waiting = list(waiting)
        self.rooms = {room.agent: room for room in rooms}

    async def facts(self, most: int) -> scheduling.Facts | None:
        """Return the oldest that fit somewhere."""
        if not self.waiting:
            return None
        rooms = list(self.rooms.values())
        fitting = [each for each in self.waiting if any(room.takes(each) for room in rooms)]
        return scheduling.Facts(fitting[:most], rooms)

    async def write(self, decided: Sequence[scheduling.Placement]) -> Sequence[scheduling.Placed]:
        """Write what still holds."""
        placed: list[scheduling.Placed] = []
        for placement in decided:
            waits = [each for each in self.waiting if each.session == placement.session]
            after = self._after(placement)
            if waits and after is not None:
                self.rooms = after
                self.waiting.remove(waits[0])
                placed += (
                    scheduling.Placed(kernel_of(placement.session, rank), placement.session, agent)
                    for rank, agent in enumerate(placement.agents)
                )
        return placed

    def _after(self, placement: scheduling.Placement) -> dict[str, scheduling.Room] | None:
        rooms = dict(self.rooms)
        for agent in placement.agents:
            if not rooms[agent].fits(placement.slots):
                return None
            rooms[agent] = rooms[agent].after(placement.slots)
        return rooms
