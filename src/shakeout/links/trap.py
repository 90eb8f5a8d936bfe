"""One message of a link, stopped on its way: what a test does with it. Made by `Link.trapped`; the proxy's half is in `messages`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from shakeout.links.messages import FORTH

Do = Callable[..., Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class Message:
    """What is known of a message: its number on the link, its direction, and how it begins."""

    number: int
    direction: str
    """`forth`, from who connected, or `back`."""
    text: str

    @property
    def is_request(self) -> bool:
        """Whether it goes from who connected to who listens."""
        return self.direction == FORTH

    def __str__(self) -> str:
        return f"#{self.number} {self.direction}: {self.text}"


class Trap:
    """A trap set for one message; it springs when that message comes by."""

    def __init__(self, do: Do) -> None:
        self._do = do

    async def sprung(self) -> Message | None:
        """The message, if it is held now; for `until`."""
        told = (await self._do("trapped")).get("message")
        return None if told is None else Message(**told)

    async def later(self) -> int:
        """How many messages have come since, on other connections of the link or against its direction."""
        told = await self._do("messages")
        message = await self.sprung()
        return 0 if message is None else max(0, len(told["messages"]) - message.number)

    async def deliver(self) -> None:
        """Let it go on, even if its sender is dead by now."""
        await self._do("release", how="deliver")

    async def lose(self) -> None:
        """Lose it, and with it its connection: both sides hear of a reset."""
        await self._do("release", how="lose")

    async def repeat(self) -> None:
        """Let it come twice: first on a connection of its own, whose answer nobody hears; once that is there, on its way.

        For requests of protocols without a greeting: HTTP, Redis. Raises LinksRefused for an answer.
        """
        await self._do("release", how="repeat")
