"""Faults of services, by the powers that they have (`shakeout.system.powers`): flush, read-only, lease loss, exhaustion.

`Exhaust` works for every member: one without that power runs out of descriptors instead.
"""

import asyncio
import contextlib
import resource
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from shakeout.faults import health, limits
from shakeout.faults.errors import FaultUnavailable
from shakeout.faults.process import Targeted
from shakeout.process import procfs
from shakeout.system.cluster import Cluster
from shakeout.system.powers import Exhausts, Flushes, LosesLeases, TurnsReadOnly

ANSWER_SECONDS_MAX = 0.25
"""A member that takes longer to answer one probe serves nobody."""


@dataclass
class Flush(Targeted):
    """It loses at once all that it holds, for good: its clients have to make good what they need."""

    name = "flush"

    def available(self, cluster: Cluster) -> str:
        """Only a service that holds nothing which cannot be made again has that power."""
        return super().available(cluster) or _lacks(
            cluster, self.target, Flushes, "what it holds cannot be made again"
        )

    async def inject(self, cluster: Cluster) -> None:
        """Put a mark there, and flush."""
        service, place = self._service(cluster), cluster.member(self.target).place
        await service.put_mark(place)
        await service.flush(place)

    async def missing_effect(self, cluster: Cluster) -> str:
        """The mark must be gone."""
        service = self._service(cluster)
        marked = await service.has_mark(cluster.member(self.target).place)
        return "what it held is still there" if marked else ""

    async def recover(self, cluster: Cluster) -> None:
        """Nothing brings back what is lost."""

    def _service(self, cluster: Cluster) -> Flushes:
        runner = cluster.member(self.target).runner
        if not isinstance(runner, Flushes):
            raise FaultUnavailable(self.name, self.available(cluster))
        return runner


@dataclass
class ReadOnly(Targeted):
    """It refuses all writes."""

    name = "read-only"

    def available(self, cluster: Cluster) -> str:
        """Only a service that has such a mode."""
        return super().available(cluster) or _lacks(
            cluster, self.target, TurnsReadOnly, "it has no read-only mode"
        )

    async def inject(self, cluster: Cluster) -> None:
        """Switch to that mode."""
        await self._service(cluster).refuse_writes(cluster.member(self.target).place)

    async def missing_effect(self, cluster: Cluster) -> str:
        """A write must be refused."""
        return "" if await self._refusal(cluster) else "it accepted a write"

    async def recover(self, cluster: Cluster) -> None:
        """Switch back."""
        await self._service(cluster).accept_writes(cluster.member(self.target).place)

    async def missing_recovery(self, cluster: Cluster) -> str:
        """A write must be accepted."""
        return await self._refusal(cluster) or await super().missing_recovery(cluster)

    async def _refusal(self, cluster: Cluster) -> str:
        service = self._service(cluster)
        return await service.refusal(cluster.member(self.target).place)

    def _service(self, cluster: Cluster) -> TurnsReadOnly:
        runner = cluster.member(self.target).runner
        if not isinstance(runner, TurnsReadOnly):
            raise FaultUnavailable(self.name, self.available(cluster))
        return runner


@dataclass
class LoseLeases(Targeted):
    """All leases end at once, with all that hangs on them, as after a long pause of their holders."""

    name = "lease-loss"
    _lost: frozenset[str] = field(default=frozenset(), init=False)
    _held: int = field(default=0, init=False)

    def available(self, cluster: Cluster) -> str:
        """Only a service that grants leases."""
        return super().available(cluster) or _lacks(
            cluster, self.target, LosesLeases, "it grants no leases"
        )

    async def inject(self, cluster: Cluster) -> None:
        """Revoke all of them, and one more that is there to be lost in any case."""
        service, place = self._service(cluster), cluster.member(self.target).place
        held = await service.leases(place)
        self._lost, self._held = held | {await service.grant(place)}, len(held)
        for lease in self._lost:
            await service.revoke(place, lease)

    async def missing_effect(self, cluster: Cluster) -> str:
        """None of them may live."""
        left = self._lost & await self._leases(cluster)
        return f"still alive: {', '.join(sorted(left))}" if left else ""

    async def recover(self, cluster: Cluster) -> None:
        """A lost lease never comes back: its holder takes another."""

    async def missing_recovery(self, cluster: Cluster) -> str:
        """There must be as many leases as before."""
        now = len(await self._leases(cluster))
        if now < self._held:
            return f"{now} leases of {self._held} are there again"
        return await super().missing_recovery(cluster)

    async def _leases(self, cluster: Cluster) -> frozenset[str]:
        service = self._service(cluster)
        return await service.leases(cluster.member(self.target).place)

    def _service(self, cluster: Cluster) -> LosesLeases:
        runner = cluster.member(self.target).runner
        if not isinstance(runner, LosesLeases):
            raise FaultUnavailable(self.name, self.available(cluster))
        return runner


@dataclass
class Exhaust(Targeted):
    """It takes no further connection: all of its own are in use, or it has no descriptor left."""

    name = "exhaustion"
    _undo: AsyncExitStack = field(default_factory=AsyncExitStack, init=False)

    def available(self, cluster: Cluster) -> str:
        """It must be possible to ask it something."""
        member = cluster.member(self.target)
        if not member.leases and not isinstance(member.runner, Exhausts):
            return "it takes no connections"
        return super().available(cluster)

    async def inject(self, cluster: Cluster) -> None:
        """Use up its connections, or else leave it no descriptor."""
        member = cluster.member(self.target)
        if isinstance(member.runner, Exhausts):
            await self._undo.enter_async_context(member.runner.exhausted(member.place))
        self._leave_no_descriptor(cluster)

    async def missing_effect(self, cluster: Cluster) -> str:
        """A newcomer must get no answer to the question that is answered to all who are connected.

        What was still open when the limit was set may have been closed since, and left room for one: then it is set anew.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                if not await health.missing_of(cluster, self.target):
                    self._leave_no_descriptor(cluster)
                    return "it still takes connections"
        return ""

    async def recover(self, cluster: Cluster) -> None:  # noqa: ARG002 - what is undone knows its cluster
        """Give the connections or descriptors back."""
        await self._undo.aclose()

    def _leave_no_descriptor(self, cluster: Cluster) -> None:
        """Unless it has connections of its own to run out of."""
        if isinstance(cluster.member(self.target).runner, Exhausts):
            return
        pid = cluster.process(self.target).pid
        if found := procfs.stat(pid):
            lowered = limits.lower(found, resource.RLIMIT_NOFILE, limits.descriptor_next(pid))
            self._undo.callback(limits.restore, [lowered])


def _lacks(cluster: Cluster, target: str, power: type[Any], why_not: str) -> str:
    return "" if isinstance(cluster.member(target).runner, power) else why_not
