"""How much room images take: all together no more than a bound, and never the last of the disk. Evicts what nobody uses. Used by `store`."""

import asyncio
import logging

from quarterdeck.agent.images.errors import ImagesFull
from quarterdeck.agent.images.model import Record
from quarterdeck.agent.images.pulls import Pull
from quarterdeck.agent.images.shelves import Shelves

UNPACKED_FACTOR = 4
"""How much larger than its layers an image is taken to be, until that is known."""

_log = logging.getLogger(__name__)


class Room:
    """The room for the images on some shelves. `pulls` are under way or have failed; `users` have images by their digests."""

    def __init__(self, shelves: Shelves, bytes_max: int) -> None:
        self.pulls: dict[str, Pull] = {}
        self.users: dict[str, str] = {}
        self._shelves = shelves
        self._bytes_max = bytes_max
        self._making = asyncio.Lock()

    async def reserve(self, pull: Pull, wanted: int, missing: int) -> None:
        """Reserve bytes for what a pull brings, of which so many are `missing`. What it needs stays from now on. Raises `ImagesFull`, OSError."""
        async with self._making:
            self._left_beside(pull, wanted)
            pull.know(wanted)
        _check(await self.tidy(missing), missing)

    async def unpack(self, pull: Pull, wanted: int) -> int:
        """Reserve bytes for what it is when unpacked, too; return how many these may be. Raises `ImagesFull`, OSError."""
        async with self._making:
            left = self._left_beside(pull, wanted)
            pull.probable_bytes = min(left, UNPACKED_FACTOR * wanted)
        free = await self.tidy(pull.probable_bytes)
        _check(free, 0)
        return min(left, free)

    async def tidy(self, coming: int = 0) -> int:
        """Evict what is beyond the bound or in the way of what comes, remove what nobody needs, and return what the disk has left. Raises OSError."""
        async with self._making:
            while self._taken() > self._bytes_max and self._evict():
                pass
            while True:
                needed = {one for pull in self.pulls.values() for one in pull.needs}
                free = await asyncio.to_thread(self._shelves.sweep, needed)
                if free >= coming or not self._evict():
                    return free

    def _left_beside(self, pull: Pull, wanted: int) -> int:
        """Return what is left of the bound for a pull that wants so much, if all goes that nobody uses. Raises `ImagesFull`."""
        used = sum(one.size_bytes for one in self._shelves.records if self._is_used(one))
        used += sum(
            one.reserved_bytes + one.probable_bytes
            for one in self.pulls.values()
            if one is not pull
        )
        if used + wanted > self._bytes_max:
            raise ImagesFull(
                f"The image takes {_mib(wanted)} MiB, and of {_mib(self._bytes_max)} MiB for images "
                f"{_mib(used)} are in use"
            )
        return self._bytes_max - used - wanted

    def _taken(self) -> int:
        taken = sum(one.size_bytes for one in self._shelves.records)
        return taken + sum(one.reserved_bytes for one in self.pulls.values())

    def _evict(self) -> bool:
        """Let go of the image that nobody has used for longest; tell whether there was one."""
        for one in self._shelves.records:
            if not self._is_used(one):
                self._shelves.records.remove(one.digest)
                _log.info("image-evicted", extra={"image": one.digest})
                return True
        return False

    def _is_used(self, record: Record) -> bool:
        return record.digest in self.users.values()


def _check(free: int, coming: int) -> None:
    if free < coming:
        raise ImagesFull(
            f"The image takes {_mib(coming)} MiB more, and the agent's disk has {_mib(max(free, 0))} left"
        )


def _mib(size: int) -> int:
    return -(-size // 2**20)
