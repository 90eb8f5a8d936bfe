"""Many copies, or long ones, under grants that end: each is gone on with under a new one."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from quarterdeck.base.clock import Clock
from quarterdeck.client import files
from quarterdeck.client.errors import Refused
from quarterdeck.client.request import Grant

T = TypeVar("T")


class Grants:
    """The newest grant, and how old it is."""

    def __init__(self, access: Callable[[], Awaitable[Grant]], clock: Clock) -> None:
        self._access = access
        self._clock = clock
        self._newest: Grant | None = None
        self._since = 0.0

    @property
    def age(self) -> float:
        """Of the newest grant, in seconds."""
        return self._clock.monotonic() - self._since

    async def fresh(self) -> Grant:
        """Return a grant that is good for a while yet."""
        if self._newest is None or self.age > self._newest.renewed_seconds:
            self._newest = await self._access()
            self._since = self._clock.monotonic()
        return self._newest

    def require_old(self, refused: Refused) -> None:
        """Raise a refusal that no other grant would mend; else the next one will be another."""
        newest = self._newest
        if refused.code != "token-expired" or newest is None or self.age < newest.young_seconds:
            raise refused
        self._newest = None


async def each(
    grants: Grants,
    copies: Iterable[files.Copy],
    do: Callable[[Grant, files.Copy], Awaitable[T]],
) -> list[T]:
    """Do something with each copy, one after the other; what is done in pieces goes on after its grant has ended."""
    return [await _one(grants, copy, do) for copy in copies]


async def _one(
    grants: Grants, copy: files.Copy, do: Callable[[Grant, files.Copy], Awaitable[T]]
) -> T:
    while True:
        grant = await grants.fresh()
        try:
            return await do(grant, copy)
        except Refused as refused:
            grants.require_old(refused)
