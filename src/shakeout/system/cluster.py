"""A running system: addresses, processes and logs by name, and stopping, killing, restarting them.

Made by `boot.boot`. A member keeps its place, hence its addresses and data, over restarts.
"""

import asyncio
import dataclasses
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from shakeout.links.links import Links
from shakeout.process.errors import ComponentDied
from shakeout.process.handle import Process
from shakeout.process.supervisor import Supervisor
from shakeout.system import order, wiring
from shakeout.system.disks import Disks
from shakeout.system.errors import Ambiguous, NameUnknown, NotRunning
from shakeout.system.host import Host
from shakeout.system.member import Member
from shakeout.system.model import System, Topology
from shakeout.system.place import Place
from shakeout.system.plan import Ground
from shakeout.system.progress import State


class Cluster:
    """A running system. Leaving its `async with` stops it and removes its directory."""

    def __init__(
        self,
        system: System,
        topology: Topology,
        ground: Ground,
        *,
        members: Sequence[Member],
        host: Host,
    ) -> None:
        self.name = ground.cluster
        self.directory = ground.directory
        self.system = system
        self.topology = topology
        self.host = host
        self.disks: Disks | None = None
        """The members' disks, if it was booted with them."""
        self.shared = False
        """Whether several tests use it, so that no fault may be injected."""
        self.members: Mapping[str, Member] = {one.name: one for one in members}

    @property
    def links(self) -> Links | None:
        """The links between the members; None when it was booted without."""
        return self.host.links

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def names(self) -> tuple[str, ...]:
        """Members in the order of their declaration."""
        return tuple(self.members)

    def replicas(self, kind: str) -> tuple[str, ...]:
        """Names of all replicas: `agent` -> `agent-1`, `agent-2`. Raises NameUnknown."""
        found = tuple(name for name, one in self.members.items() if one.place.kind == kind)
        if not found:
            raise NameUnknown(kind, f"cluster {self.name}", self.system.names)
        return found

    def member(self, name: str) -> Member:
        """By its name, or by its declared name if it has one replica.

        Raises NameUnknown, Ambiguous.
        """
        if name in self.members:
            return self.members[name]
        candidates = self.replicas(name)
        if len(candidates) > 1:
            raise Ambiguous(name, candidates)
        return self.members[candidates[0]]

    def address(self, target: str) -> str:
        """URL of `postgres`, `postgres.<database>`, `manager`, `agent-2.http` ...

        Raises NameUnknown, Ambiguous.
        """
        return self._found(target, self.member(target.partition(".")[0]).addresses)

    def public_address(self, target: str) -> str:
        """URL at which components reach a target: by way of the links, if there are any. As `address`."""
        return self._found(target, self.member(target.partition(".")[0]).public)

    def _found(self, target: str, addresses: Mapping[str, str]) -> str:
        name, _, part = target.partition(".")
        if part not in addresses:
            raise NameUnknown(
                target, f"cluster {self.name}", (f"{name}.{one}" for one in addresses if one)
            )
        return addresses[part]

    def process(self, name: str) -> Process:
        """Process of a member. Raises NameUnknown, Ambiguous, NotRunning."""
        member = self.member(name)
        if member.process is None or member.process.exit is not None:
            raise NotRunning(member.name, member.condition)
        return member.process

    def deaths(self) -> list[ComponentDied]:
        """Members that have ended although nobody expected it."""
        return [
            ComponentDied(name, one.exit, one.last_lines())
            for name, one in self.processes().items()
            if one.exit and not one.exit_expected
        ]

    def processes(self) -> Mapping[str, Process]:
        """Processes of the members that have been started, and of the links, whether they live or not."""
        found = {name: one.process for name, one in self.members.items() if one.process}
        return {**found, self.links.process.name: self.links.process} if self.links else found

    def place(self, name: str) -> Place:
        """Place of a member as others see it: directory, ports. Raises NameUnknown, Ambiguous."""
        place = self.member(name).place
        return dataclasses.replace(place, directory=place.outside(place.directory), namespaces=0)

    def log(self, name: str) -> Path:
        """Log file of a member. Raises NameUnknown, Ambiguous."""
        return self.member(name).log

    async def link_up(self, supervisor: Supervisor) -> None:
        """Put links between the members, before any of them runs. Raises StartFailed, HarnessDied, LinksRefused."""
        links = await wiring.connect(
            self.system,
            list(self.members.values()),
            supervisor,
            name=self.name,
            directory=self.directory,
        )
        self.host = dataclasses.replace(self.host, links=links)

    async def begin(self, name: str) -> None:
        """Launch a member that does not run, without waiting until it answers.

        For an optional service that will be needed soon; `start` then waits for it.
        """
        member = self.member(name)
        async with member.lock:
            if not member.running:
                await member.launch(self.host)

    async def start(self, name: str) -> None:
        """Start a member that does not run, if so; return when it answers.

        Raises ComponentDied, StartTimedOut, PreparationFailed.
        """
        member = self.member(name)
        async with member.lock:
            if not member.running:
                await member.launch(self.host)
            if member.state is not State.READY:
                await member.reach_ready()

    async def stop(self, name: str) -> None:
        """Stop a member gracefully (SIGTERM; SIGKILL after 5 s)."""
        member = self.member(name)
        async with member.lock:
            await member.stop(gracefully=True)

    async def kill(self, name: str) -> None:
        """SIGKILL a member. Raises NotRunning, also when it has ended by itself."""
        member = self.member(name)
        async with member.lock:
            await member.kill()

    async def restart(self, name: str) -> None:
        """Stop a member gracefully and start it again at the same addresses, on its data."""
        await self.stop(name)
        await self.start(name)

    async def close(self) -> None:
        """Stop everything, dependents first, and remove the cluster's directory and leases.

        Components get SIGTERM, services are thrown away.
        """
        try:
            for layer in reversed(order.layers(self.system.dependencies())):
                found = [one for one in self.members.values() if one.place.kind in layer]
                await _stop([one for one in found if one.is_component], gracefully=True)
        finally:
            await self.abandon()

    async def abandon(self) -> None:
        """Kill what still runs, and remove the cluster's directory and leases."""
        await _stop(self.members.values(), gracefully=False)
        await self.host.scope.stop()
        if self.links is not None:
            await self.links.close()
        for member in self.members.values():
            member.release()
        await asyncio.to_thread(shutil.rmtree, self.directory, ignore_errors=True)


async def _stop(members: Iterable[Member], *, gracefully: bool) -> None:
    async with asyncio.TaskGroup() as group:
        for member in members:
            group.create_task(member.stop(gracefully=gracefully))
