"""What is left of sessions that were ended by force, and where that is kept; `removals` works on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Removal:
    """A kernel that has ended in the books and that an agent, with this URL, still has to destroy."""

    kernel: str
    agent: str
    address: str


class Removals(Protocol):
    """Kernels that were ended by force and that their agents still have to destroy."""

    async def due(self) -> Sequence[Removal]:
        """Return those of agents that answer, the oldest first; not those that were postponed."""
        ...

    async def done(self, kernel: str) -> None:
        """Forget one: it is gone."""
        ...

    async def put_off(self, kernel: str) -> None:
        """Leave one alone for some seconds: its agent has refused it."""
        ...

    async def postpone(self, removal: Removal) -> None:
        """Leave an agent alone for some seconds, which has not answered for one of them; that one goes behind the others."""
        ...
