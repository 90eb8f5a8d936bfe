"""How a component of the system under test is launched, asked and ended.

The same three verbs as a `service.Service`, so that a `member` treats both alike.
"""

import contextlib
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from shakeout.process.handle import Process
from shakeout.process.ports import PortLease
from shakeout.process.spawn import Program
from shakeout.system import clockfile, readiness
from shakeout.system.host import Host
from shakeout.system.model import Component
from shakeout.system.place import Place

STOP_SECONDS_MAX = 5.0


class Runner(Protocol):
    """What a member needs to run."""

    async def launch(self, place: Place, host: Host) -> Process:
        """Start it without waiting until it answers."""

    async def probe(self, place: Place) -> str:
        """Empty when it answers, else what is missing."""

    async def stop(self, process: Process, *, gracefully: bool) -> None:
        """End it."""


@dataclass(frozen=True)
class ComponentRunner:
    """Runs one replica of a component on leased ports."""

    component: Component
    leases: Mapping[str, PortLease]

    @property
    def disk(self) -> str:
        """Where the component keeps its data."""
        return self.component.disk

    async def launch(self, place: Place, host: Host) -> Process:
        """Bind its sockets and start it with them; they outlive no failed start."""
        with contextlib.ExitStack() as stack:
            sockets = tuple(
                stack.enter_context(contextlib.closing(self._listen(name)))
                for name in self.component.sockets
            )
            return await host.scope.start(
                Program(
                    name=place.name,
                    argv=self.component.argv,
                    call=self.component.call,
                    args=self.component.args,
                    environment=host.environment(self._environment(place)),
                    directory=place.directory,
                    log=place.directory / "log",
                    sockets=sockets,
                    socket_names=self.component.sockets,
                    exit_expected=True,
                    namespaces=place.namespaces,
                )
            )

    async def probe(self, place: Place) -> str:
        """One GET; a component without readiness is ready at once."""
        ready = self.component.ready
        if ready is None:
            return ""
        return await readiness.http_probe(place.port(ready.socket), ready.path, ready.status)

    async def stop(self, process: Process, *, gracefully: bool) -> None:
        """SIGTERM and, after 5 s, SIGKILL; or SIGKILL at once."""
        if gracefully:
            await process.stop(STOP_SECONDS_MAX)
        else:
            await process.kill()

    def _environment(self, place: Place) -> Mapping[str, str]:
        """Its own variables, and where its clock is shifted; makes that file."""
        own = self.component.environment(place)
        if not self.component.clock:
            return own
        clock = place.directory / clockfile.NAME
        clockfile.make(clock)
        return {**own, clockfile.VARIABLE: str(clock)}

    def _listen(self, name: str) -> socket.socket:
        return self.leases[name].listen()
