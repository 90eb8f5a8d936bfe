"""What the list of agents needs of the world: its store, and the registrations that agents keep alive."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from quarterdeck.wire import agents


class Registered(NamedTuple):
    """Registrations. `doubted`: some of before may be missing."""

    records: Sequence[agents.AgentRecord]
    doubted: bool = False


Read = Callable[[], Awaitable[Registered]]


class Agents(Protocol):
    """Every agent that was ever seen."""

    async def sync(self, read: Read) -> Sequence[str]:
        """Make the agents that `read` gives ALIVE, the others LOST unless that is doubted; return the ids of those that changed.

        It is called while nobody else, in whatever manager, writes.
        """
        ...

    async def drain(self, id_: str, deadline_seconds: float | None) -> agents.AgentView | None:
        """Have nothing placed on an agent from now on, and its sessions ended after some seconds; None: there is no such agent."""
        ...

    async def resume(self, id_: str) -> agents.AgentView | None:
        """Have sessions placed on an agent again; None: there is no such agent."""
        ...

    async def list(self) -> Sequence[agents.AgentView]:
        """Return all agents by id, with the slots in use."""
        ...


class Registry(Protocol):
    """The registrations of agents."""

    def watch(self) -> AsyncIterator[Sequence[agents.AgentRecord]]:
        """Give all registrations, now and after each change."""
        ...

    async def current(self) -> Registered:
        """Return all registrations as they are now."""
        ...


class Concerned(Protocol):
    """Whoever has to know that agents came, went or started anew."""

    def agents_changed(self, ids: Sequence[str]) -> None:
        """Look at these agents soon. Never blocks."""
        ...
