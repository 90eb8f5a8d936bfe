"""What the boot needs of a service such as PostgreSQL; `shakeout.services` holds the real ones."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from shakeout.process.handle import Process
from shakeout.system.host import Host
from shakeout.system.place import Place


class Service(Protocol):
    """A server that is no part of the system under test, but that the system needs."""

    @property
    def name(self) -> str:
        """Name that edges use."""

    @property
    def optional(self) -> bool:
        """Whether it starts only when somebody asks for it."""

    @property
    def ports(self) -> tuple[str, ...]:
        """Names of the loopback ports it needs."""

    def addresses(self, place: Place) -> Mapping[str, str]:
        """URLs by name; the empty name is the service itself. Pure."""

    async def launch(self, place: Place, host: Host) -> Process:
        """Start it in its place, on the data that an earlier run left there.

        Does not wait until it answers. Raises StartFailed, and what its preparation raises.
        """

    async def probe(self, place: Place) -> str:
        """Ask a real question once; empty when it was answered, else why not."""

    async def stop(self, process: Process, *, gracefully: bool) -> None:
        """End it; gracefully keeps its data ready for the next start."""


@runtime_checkable
class Kills(Protocol):
    """A service whose sudden death needs care, for instance because it has children."""

    async def kill(self, process: Process) -> None:
        """Kill it at once; return when nothing of it runs any more."""
