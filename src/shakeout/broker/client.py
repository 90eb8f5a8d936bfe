"""Lease whole clusters from the broker; what comes back is a `Cluster` like one that was booted here."""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

from shakeout.broker import handover, protocol, sources, start
from shakeout.broker.errors import BrokerUnavailable, NotLeasable
from shakeout.broker.shape import Shape
from shakeout.broker.sources import Sources
from shakeout.process.channel import Channel, ChannelLost
from shakeout.process.errors import ComponentDied, HarnessDied, ProcessError
from shakeout.process.handle import Process
from shakeout.settings import Settings
from shakeout.system.cluster import Cluster
from shakeout.system.model import System, Topology

ATTEMPTS = 3
"""A broker may end just while we come."""
LEASE_SECONDS_MAX = 120.0
"""From the request to the cluster, which may have to be booted first."""
RETURN_SECONDS_MAX = 5.0

Message = dict[str, Any]


class Lease:
    """A cluster that is ours until it is given back or ended. `on_failure` hears of deaths that nobody expected."""

    def __init__(self, end: socket.socket) -> None:
        self.cluster: Cluster
        self._rebuilt: Cluster | None = None
        self.run_id = ""
        self.fresh = False
        """Whether nobody had it before."""
        self.on_failure: Callable[[ProcessError], None] = self._keep
        self.failure: ProcessError | None = None
        self._channel = Channel(end, _ignore, self._lose)

    async def ask(self, message: Message) -> Message:
        """Raises ChannelLost."""
        return await self._channel.ask(message | {"version": protocol.VERSION})

    def rebuild(self, system: System, shape: Shape, told: Message, settings: Settings) -> None:
        """Make the cluster of what the broker told. Raises NotLeasable when it is not what would be booted here."""
        numbers: dict[str, int] = told["cluster"]["kinds"]
        ends = [socket.socket(fileno=descriptor) for descriptor in told["descriptors"]]
        try:
            topology = Topology(dict(shape.replicas))
            cluster = handover.rebuild(system, topology, told["cluster"], settings)
            _check_same(cluster, shape, told["cluster"]["digest"])
        except BaseException:
            for end in ends:
                end.close()
            raise
        channels = {
            kind: (end, number) for (kind, number), end in zip(numbers.items(), ends, strict=True)
        }
        handover.resume(cluster, told["cluster"]["members"], channels, self._note_exit)
        self.run_id = told["cluster"]["run"]
        self.fresh = told["cluster"]["fresh"]
        self.cluster = self._rebuilt = cluster

    def tell_failures(self, hear: Callable[[ProcessError], None]) -> None:
        """Tell each failure from now on, and the one that came before anybody listened."""
        self.on_failure = hear
        if self.failure is not None:
            hear(self.failure)

    def raise_failure(self) -> None:
        """Raise the death that nobody was told of yet, if there was one."""
        if self.failure is not None:
            raise self.failure

    async def give_back(self) -> None:
        """Return a cluster as clean as it was. If that does not succeed, all of it ends with the lease."""
        members = handover.tell(self.cluster)
        try:
            async with asyncio.timeout(RETURN_SECONDS_MAX):
                channels = self.cluster.host.scope.let_go()
                for end, _ in channels.values():
                    end.close()
                numbers = {kind: number for kind, (_, number) in channels.items()}
                await self.ask({"do": "return", "members": members, "numbers": numbers})
        except (ChannelLost, HarnessDied, TimeoutError):
            pass
        finally:
            self._channel.close()

    async def close(self) -> None:
        """End the cluster and the lease."""
        try:
            await self.cluster.close()
        finally:
            self._channel.close()

    def drop(self) -> None:
        """End the lease; the broker ends the cluster."""
        self._channel.close()
        if self._rebuilt is not None:
            for member in self._rebuilt.members.values():
                if member.process is not None:
                    member.process.expect_exit()
            self._rebuilt.host.scope.drop()

    def _lose(self) -> None:
        self._fail(HarnessDied("broker", "every cluster that was leased from it ends with it"))

    def _note_exit(self, process: Process) -> None:
        if process.exit is None or process.exit_expected:
            return
        if process.exit.cause:
            self._lose()
        else:
            self._fail(ComponentDied(process.name, process.exit, process.last_lines()))

    def _fail(self, failure: ProcessError) -> None:
        if self.failure is None or isinstance(failure, HarnessDied):
            self.failure = failure
        self.on_failure(failure)

    def _keep(self, _failure: ProcessError) -> None:
        """Nobody listens yet; `failure` has it."""


class Client:
    """The broker as one test process sees it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._read: dict[str, tuple[str, Sources]] = {}

    async def lease(
        self, system: System, replicas: Mapping[str, int], *, durable: bool, private: bool
    ) -> Lease:
        """Get a healthy cluster that nobody else uses. Raises NotLeasable, BrokerUnavailable."""
        shape = Shape.of(system, replicas, durable=durable)
        key, code = self._code(system, shape)
        for _ in range(ATTEMPTS):
            lease = Lease(await start.connected(self._settings, key, code))
            try:
                async with asyncio.timeout(LEASE_SECONDS_MAX):
                    return await self._filled(lease, system, shape, private=private)
            except TimeoutError:
                raise BrokerUnavailable(f"no cluster after {LEASE_SECONDS_MAX:g} s") from None
            except ChannelLost:
                continue
        raise BrokerUnavailable(f"{ATTEMPTS} brokers ended while a cluster was asked for")

    async def _filled(self, lease: Lease, system: System, shape: Shape, *, private: bool) -> Lease:
        try:
            told = await lease.ask({"do": "lease", "private": private, **shape.message()})
            _raise_error(told)
            lease.rebuild(system, shape, told, self._settings)
        except BaseException:
            lease.drop()
            raise
        return lease

    def _code(self, system: System, shape: Shape) -> tuple[str, Sources]:
        if shape.system not in self._read:
            _refuse_own_programs(system)
            words = sources.named(shape.module)
            code = sources.read((shape.module, "shakeout", *system.modules(), *words))
            self._read[shape.system] = code.key(self._settings.inherited), code
        return self._read[shape.system]


def _raise_error(told: Message) -> None:
    if "error" in told:
        raise NotLeasable(told["error"])


def _check_same(cluster: Cluster, shape: Shape, digest: str) -> None:
    if handover.digest(cluster) != digest:
        raise NotLeasable(
            f"{shape.system} gives its components another environment in each process; is it made of random "
            "values, or of paths? See shakeout.system.secret"
        )


def _refuse_own_programs(system: System) -> None:
    """A program that is installed nowhere may be gone or changed when the broker starts it. Raises NotLeasable."""
    for component in system.components:
        for word in component.argv:
            if os.path.isabs(word) and os.path.isfile(word) and not sources.is_installed(word):  # noqa: PTH113, PTH117 (words, not paths)
                raise NotLeasable(f"{component.name} runs {word}, which may change")


def _ignore(_message: Message) -> None:
    """A broker says nothing unasked."""
