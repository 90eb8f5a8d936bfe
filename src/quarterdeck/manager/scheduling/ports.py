"""What placement needs of the world: its store, and somebody to tell what was placed."""

from collections.abc import Sequence
from typing import Protocol

from quarterdeck.manager.scheduling import model


class Placements(Protocol):
    """Waiting sessions, free slots, and the writing of decisions."""

    async def facts(self, most: int) -> model.Facts | None:
        """Return what there is to decide about: up to `most` of the oldest waiting sessions that fit somewhere; None: none waits at all."""
        ...

    async def write(self, decided: Sequence[model.Placement]) -> Sequence[model.Placed]:
        """Write placements and return the kernels of those that still held: the session waits, the agents have the room.

        All kernels of a session are written or none. However many schedulers decide at once, no agent is given more than it has.
        """
        ...


class Queue(Protocol):
    """Whoever wants to know whether anybody waits."""

    @property
    def heard(self) -> int:
        """How often it was heard that somebody may wait: whoever looks notes this first."""
        ...

    def looked(self, heard: int, *, empty: bool) -> None:
        """Take note of what a look has shown that began when so much was heard."""
        ...


class Driver(Protocol):
    """Whoever starts the kernels of placed sessions."""

    def drive(self, agent: str, session: str, kernel: str) -> None:
        """Take over a kernel that was placed on an agent. Never blocks."""
        ...
