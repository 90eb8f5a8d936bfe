"""The links of one cluster, from the test's side: tells the proxy who is who, and gives out one `link` for each edge.

Without links there is no proxy, and nothing is slower.
"""

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Self

from shakeout.links import endpoint
from shakeout.links.endpoint import Endpoint
from shakeout.links.errors import NoSuchLink, Unlinkable
from shakeout.links.link import Counters, Link
from shakeout.links.proxy import Proxy
from shakeout.links.roster import STRANGER
from shakeout.process.handle import Process

Pairs = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Front:
    """Where one address of a member is reached through links, and where the member really listens."""

    member: str
    place: Endpoint
    target: Endpoint


class Links:
    """All links of one cluster: `await links.link("manager", "agent-2").set(Behaviour.severed())`."""

    def __init__(self, proxy: Proxy, fronts: Sequence[Front], pairs: Pairs) -> None:
        """`pairs` are sources and targets of declared edges, by the names of members."""
        self.pairs = pairs
        self._proxy = proxy
        self._fronts = fronts
        self._links: dict[tuple[str, str], Link] = {}

    @classmethod
    async def open(cls, proxy: Proxy, fronts: Sequence[Front], pairs: Pairs, seed: str) -> Self:
        """Listen at all fronts. `seed` is that of jitter. Raises LinksRefused, ComponentDied."""
        listed = [
            (one.member, endpoint.encode(one.place), endpoint.encode(one.target)) for one in fronts
        ]
        await proxy.ask("open", seed=seed, fronts=listed, stranger=os.getpid())
        return cls(proxy, fronts, pairs)

    @property
    def process(self) -> Process:
        """The proxy."""
        return self._proxy.process

    def link(self, source: str, target: str) -> Link:
        """The link of two members, or of the test itself ("test") to a member. Raises NoSuchLink, Unlinkable."""
        fronts = [one for one in self._fronts if one.member == target]
        if (source, target) not in self.pairs and not (fronts and source == STRANGER):
            raise NoSuchLink(source, target, self.pairs)
        if not fronts:
            raise Unlinkable(target)
        if (source, target) not in self._links:
            self._links[source, target] = Link(source, target, fronts[0].place, self._proxy.ask)
        return self._links[source, target]

    async def counters(self) -> tuple[Counters, ...]:
        """What has happened on each link that was ever used. Raises ComponentDied."""
        told = await self._proxy.ask("counters")
        return tuple(Counters(**one) for one in told["counters"])

    async def introduce(self, member: str, launch: Callable[[], Awaitable[Process]]) -> Process:
        """Launch a member, and tell the proxy whose process it is; a connection that it makes before waits."""
        pid = 0
        try:
            await self._proxy.ask("starting", member=member)
            process = await launch()
            pid = process.pid
        finally:
            await self._proxy.ask("started", member=member, pid=pid)
        return process

    async def close(self) -> None:
        """End the proxy, and with it all connections through it."""
        await self._proxy.close()
