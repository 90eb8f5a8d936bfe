"""What all faults of a link have in common: which link, whether there is one, and a probe that was open before.

The effect is seen by probes through the link, never by what was set; `network` holds the faults.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field

from shakeout.links.behaviour import Behaviour
from shakeout.links.errors import NO_LINKS, LinkError, LinksOff
from shakeout.links.link import Link
from shakeout.links.probe import Probe
from shakeout.links.roster import STRANGER
from shakeout.system.cluster import Cluster
from shakeout.system.errors import SystemFault

QUESTION = b"shakeout, through the link?"
SILENCE_SECONDS = 0.2
"""An echo that has not come back by then does not come: it takes less than a millisecond."""
ANSWER_SECONDS_MAX = 2.0


@dataclass
class Linked:
    """A fault of the connections that `source` makes to `target`; replicas are named: "agent-2"."""

    source: str
    target: str
    _older: Probe | None = field(default=None, init=False, repr=False)
    _open: contextlib.AsyncExitStack = field(
        default_factory=contextlib.AsyncExitStack, init=False, repr=False
    )

    @property
    def targets(self) -> tuple[str, ...]:
        """Source and target."""
        return (self.source, self.target)

    def available(self, cluster: Cluster) -> str:
        """There must be links, and this edge among them."""
        if cluster.links is None:
            return NO_LINKS
        try:
            self._link(cluster)
        except (LinkError, SystemFault) as missing:
            return str(missing)
        return ""

    async def inject(self, cluster: Cluster) -> None:
        """Open a connection that works, then do it."""
        link = self._link(cluster)
        async with contextlib.AsyncExitStack() as stack:
            self._older = await stack.enter_async_context(link.probe())
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                await self._older.exchange(QUESTION)
            await self._do(link)
            self._open = stack.pop_all()

    async def recover(self, cluster: Cluster) -> None:
        """Let everything pass again."""
        await self._link(cluster).restore()

    async def missing_recovery(self, cluster: Cluster) -> str:
        """A new connection must work."""
        missing = await self._missing_answer(cluster)
        if not missing:
            await self._open.aclose()
        return missing

    async def _do(self, link: Link) -> None:
        raise NotImplementedError

    async def _missing_answer(self, cluster: Cluster, count: int = len(QUESTION)) -> str:
        try:
            async with self._link(cluster).probe() as probe, asyncio.timeout(ANSWER_SECONDS_MAX):
                await probe.exchange(question(count))
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            return f"a new connection does not work: {error!r}"
        return ""

    async def _missing_reset(self) -> str:
        if self._older and await self._older.gone(within=SILENCE_SECONDS):
            return ""
        return "the connection from before lives"

    def _link(self, cluster: Cluster) -> Link:
        """Raises LinksOff, NoSuchLink, NameUnknown, Ambiguous."""
        if cluster.links is None:
            raise LinksOff
        source, target = (
            name if name == STRANGER else cluster.member(name.partition(".")[0]).name
            for name in self.targets
        )
        return cluster.links.link(source, target)


class Behaving(Linked):
    """A fault that is a behaviour of the link for as long as it lasts."""

    @property
    def behaviour(self) -> Behaviour:
        """What is set."""
        raise NotImplementedError

    async def _do(self, link: Link) -> None:
        await link.set(self.behaviour)


def question(count: int) -> bytes:
    """So many bytes. Pure."""
    return (QUESTION * (count // len(QUESTION) + 1))[:count]


async def seconds(probe: Probe, count: int = len(QUESTION)) -> float:
    """How long so many bytes take to come back. Raises what `Probe` does."""
    clock = asyncio.get_running_loop().time
    began = clock()
    await probe.exchange(question(count))
    return clock() - began
