"""Faults of the network between two members, as far as the processes can tell: they are of one link each.

async with lifecycle.injected(CutOneWay("manager", "agent-2"), private_cluster):
    ...  # what the manager sends to this agent does not arrive

Needs a cluster with links: `@pytest.mark.links` on a test that takes `private_cluster`.
"""

import asyncio
from dataclasses import dataclass, field

from shakeout.faults import linked
from shakeout.faults.linked import SILENCE_SECONDS, Behaving, Linked
from shakeout.links.behaviour import Behaviour
from shakeout.links.link import Link
from shakeout.system.cluster import Cluster

MEASURED_SECONDS = 0.2
"""So much traffic is sent to see a bandwidth: what would take this long."""
SHARE_SEEN = 0.5
"""Traffic that takes this share of what it should is slowed down; on a plain link it takes far less."""


class Cut(Behaving):
    """Open connections are reset, and new ones are, too."""

    name = "cut"

    @property
    def behaviour(self) -> Behaviour:
        """Cut."""
        return Behaviour.severed()

    async def missing_effect(self, cluster: Cluster) -> str:
        """The connection from before must be gone, and a new one must not live."""
        if missing := await self._missing_reset():
            return missing
        async with self._link(cluster).probe() as probe:
            gone = await probe.gone(within=SILENCE_SECONDS)
        return "" if gone else "a new connection lives"


@dataclass
class _Silence(Behaving):
    """Connections live on, and what is sent does not come back."""

    _arrived: bool = field(default=False, init=False, repr=False)

    async def missing_effect(self, cluster: Cluster) -> str:
        """On the connection from before an echo must not come back, and nobody must be told."""
        assert self._older is not None
        link = self._link(cluster)
        before = await link.counters()
        await self._older.send(linked.QUESTION)
        if await self._older.gone(within=SILENCE_SECONDS):
            return "the connection from before was ended, which tells"
        if self._older.heard:
            return "an echo came back"
        arrived = (await link.counters()).echoed > before.echoed
        if arrived is self.behaviour.forth.held:
            return "what was sent arrived" if arrived else "what was sent did not arrive"
        return ""

    async def missing_recovery(self, cluster: Cluster) -> str:
        """What was held must arrive, and a new connection must work."""
        if self._arrived:
            return await super().missing_recovery(cluster)
        assert self._older is not None
        try:
            async with asyncio.timeout(linked.ANSWER_SECONDS_MAX):
                await self._older.receive(len(linked.QUESTION))
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            return f"what was held has not arrived: {error!r}"
        self._arrived = True
        return await super().missing_recovery(cluster)


class BlackHole(_Silence):
    """Nothing passes in either direction, and nobody is told."""

    name = "black-hole"

    @property
    def behaviour(self) -> Behaviour:
        """Hold everything."""
        return Behaviour.black_hole()


@dataclass
class CutOneWay(_Silence):
    """What one side sends does not arrive, and nobody is told: the source's (`forth`) or the target's (`back`)."""

    direction: str = "forth"
    name = "cut-one-way"

    def __post_init__(self) -> None:
        if self.direction not in ("forth", "back"):
            raise ValueError(f"a direction is forth or back, not {self.direction!r}")

    @property
    def behaviour(self) -> Behaviour:
        """Hold that direction."""
        return Behaviour.deaf_target() if self.direction == "forth" else Behaviour.deaf_source()


@dataclass
class Delay(Behaving):
    """Everything is late by this, in either direction, give or take the jitter."""

    delay_seconds: float = 0.05
    jitter_seconds: float = 0.0
    name = "delay"

    @property
    def behaviour(self) -> Behaviour:
        """Delay either direction."""
        return Behaviour.delayed(self.delay_seconds, self.jitter_seconds)

    async def missing_effect(self, cluster: Cluster) -> str:  # noqa: ARG002 - asks the probe
        """A round trip must take twice as long as the delay at least."""
        assert self._older is not None
        took = await linked.seconds(self._older)
        if took < self._least:
            return f"a round trip took {took:.3f} s, not {self._least:.3f} s"
        return ""

    async def missing_recovery(self, cluster: Cluster) -> str:
        """A round trip must be quicker than the delay again."""
        assert self._older is not None
        took = await linked.seconds(self._older)
        if took >= self._least:
            return f"a round trip still took {took:.3f} s"
        return await super().missing_recovery(cluster)

    @property
    def _least(self) -> float:
        """What jitter leaves; if that is nothing, what one of some round trips will take."""
        return 2 * (self.delay_seconds - self.jitter_seconds) or self.delay_seconds


@dataclass
class Bandwidth(Behaving):
    """Each connection passes at most so many bytes a second in either direction."""

    bytes_per_second: float = 100_000.0
    name = "bandwidth"

    @property
    def behaviour(self) -> Behaviour:
        """Limit either direction."""
        return Behaviour.slowed(self.bytes_per_second)

    async def missing_effect(self, cluster: Cluster) -> str:  # noqa: ARG002 - asks the probe
        """Traffic must take about as long as it should."""
        took = await self._took()
        return "" if took >= self._least else f"{self._count} bytes took {took:.3f} s only"

    async def missing_recovery(self, cluster: Cluster) -> str:
        """The same traffic must be quick again."""
        took = await self._took()
        if took >= self._least:
            return f"{self._count} bytes still took {took:.3f} s"
        return await super().missing_recovery(cluster)

    @property
    def _count(self) -> int:
        return max(len(linked.QUESTION), int(self.bytes_per_second * MEASURED_SECONDS))

    @property
    def _least(self) -> float:
        return SHARE_SEEN * self._count / self.bytes_per_second

    async def _took(self) -> float:
        assert self._older is not None
        return await linked.seconds(self._older, self._count)


@dataclass
class DropAfter(Behaving):
    """Each connection is reset after so many bytes in one direction, counted from now."""

    count: int = 1000
    name = "drop-after"

    @property
    def behaviour(self) -> Behaviour:
        """Reset after so many."""
        return Behaviour.dropping_after(self.count)

    async def missing_effect(self, cluster: Cluster) -> str:
        """A new connection must be reset by that many bytes, and not by fewer."""
        async with self._link(cluster).probe() as probe:
            if self.count > 1:
                await probe.exchange(linked.question(self.count - 1))
            await probe.send(linked.QUESTION)
            gone = await probe.gone(within=SILENCE_SECONDS)
        return "" if gone else f"a connection lives after {self.count} bytes"

    async def missing_recovery(self, cluster: Cluster) -> str:
        """A new connection must pass more."""
        missing = await self._missing_answer(cluster, self.count + 1)
        return missing or await super().missing_recovery(cluster)


class Reset(Linked):
    """Open connections are reset, once; new ones live."""

    name = "reset"

    async def missing_effect(self, cluster: Cluster) -> str:
        """The connection from before must be gone, and a new one must work."""
        return await self._missing_reset() or await self._missing_answer(cluster)

    async def _do(self, link: Link) -> None:
        await link.reset()


@dataclass
class HalfOpen(Linked):
    """One end of each open connection is gone; the believer, the source unless said otherwise, does not know. New ones live."""

    believer: str = ""
    name = "half-open"

    def __post_init__(self) -> None:
        if self.believer not in ("", self.source, self.target):
            raise ValueError(f"{self.believer} is at no end of {self.source} -> {self.target}")

    async def missing_effect(self, cluster: Cluster) -> str:
        """The believer's end of the connection from before must live, in silence; the other end must be gone."""
        assert self._older is not None
        if self.believer == self.target:
            return await self._missing_reset() or await self._missing_answer(cluster)
        await self._older.send(linked.QUESTION)
        if await self._older.gone(within=SILENCE_SECONDS):
            return "the believer was told"
        return "an echo came back" if self._older.heard else await self._missing_answer(cluster)

    async def missing_recovery(self, cluster: Cluster) -> str:
        """The believer must have been told, and a new connection must work."""
        return await self._missing_reset() or await super().missing_recovery(cluster)

    async def _do(self, link: Link) -> None:
        await link.half_open(link.target if self.believer == self.target else link.source)
