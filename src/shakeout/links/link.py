"""One link as a test sees it: what it does to connections, what has passed, and a probe through it.

Made by `links.Links.link`. Each change acts on open connections at once, and is in force when the call returns.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from shakeout.links import behaviour as behaviours
from shakeout.links.behaviour import Behaviour
from shakeout.links.endpoint import Endpoint
from shakeout.links.errors import NoSuchLink
from shakeout.links.probe import Probe
from shakeout.links.trap import Message, Trap
from shakeout.timeline import record

Ask = Callable[..., Awaitable[dict[str, Any]]]
KIND = "link"


@dataclass(frozen=True)
class Counters:
    """What has happened on a link since the boot."""

    source: str
    target: str
    connections: int = 0
    open: int = 0
    resets: int = 0
    """Connections that the link reset, by a cut, on demand or after so many bytes."""
    bytes_forth: int = 0
    """Bytes that have left the link towards the target."""
    bytes_back: int = 0
    waiting_forth: int = 0
    """Bytes that the link holds or delays now."""
    waiting_back: int = 0
    echoed: int = 0
    """Bytes of probes that have arrived at their far end."""


class Link:
    """Connections of `source` to `target`; `front` is where they pass."""

    def __init__(self, source: str, target: str, front: Endpoint, ask: Ask) -> None:
        self.source = source
        self.target = target
        self.behaviour = Behaviour()
        """What was set last."""
        self._front = front
        self._ask = ask

    def __repr__(self) -> str:
        return f"<link {self.name}, {behaviours.describe(self.behaviour)}>"

    @property
    def name(self) -> str:
        """`manager -> agent-2`."""
        return f"{self.source} -> {self.target}"

    async def set(self, behaviour: Behaviour) -> None:
        """Behave like this from now on. Whoever holds half of a connection since `half_open` is told so."""
        await self._do("set", behaviour=behaviours.encode(behaviour))
        self.behaviour = behaviour
        record.note(KIND, self.name, does=behaviours.describe(behaviour))

    async def restore(self) -> None:
        """Let everything pass again, also what was held."""
        await self.set(Behaviour())

    async def reset(self) -> None:
        """Reset the open connections; later ones live."""
        await self._do("reset")
        record.note(KIND, self.name, does="reset")

    async def half_open(self, believer: str) -> None:
        """Take away one end of each open connection; the believer, source or target, goes on believing.

        What it sends vanishes, until the next `set` or `restore` tells it by a reset. Later connections live.
        Raises NoSuchLink when the believer is at no end of this link.
        """
        if believer not in (self.source, self.target):
            raise NoSuchLink(believer, self.target, {(self.source, self.target)})
        await self._do("half-open", believer=believer)
        record.note(KIND, self.name, does=f"half open, {believer} believes")

    async def counters(self) -> Counters:
        """What has happened on it."""
        told = await self._ask("counters")
        mine = {"source": self.source, "target": self.target}
        for one in told["counters"]:
            if one.items() >= mine.items():
                return Counters(**one)
        return Counters(self.source, self.target)

    @contextlib.asynccontextmanager
    async def recorded(self) -> AsyncIterator[list[Message]]:
        """Give, after the block, the messages that passed during it, in their order: at most 500."""
        found: list[Message] = []
        await self._do("watch", stop_at=0)
        try:
            yield found
        finally:
            told = await self._ask("messages", source=self.source, target=self.target)
            await self._do("unwatch")
        found += (Message(**one) for one in told["messages"])

    @contextlib.asynccontextmanager
    async def trapped(self, number: int) -> AsyncIterator[Trap]:
        """Stop the message of this number, counted from 1 at the beginning of the block; see `Trap`.

        Its connection stands still in that direction, others go on. After the block it goes on, too.
        """
        await self._do("watch", stop_at=number)
        record.note(KIND, self.name, does=f"a trap for message {number}")
        try:
            yield Trap(self._do)
        finally:
            await self._do("unwatch")

    @contextlib.asynccontextmanager
    async def probe(self) -> AsyncIterator[Probe]:
        """Connect as if the source did, to an echo in place of the target: what comes back passed the link twice."""
        async with Probe.open(self._front, self._pose) as probe:
            yield probe

    async def _pose(self, address: str) -> None:
        await self._ask("pose", address=address, source=self.source)

    async def _do(self, act: str, **fields: object) -> dict[str, Any]:
        return await self._ask(act, source=self.source, target=self.target, **fields)
