"""The images of an agent: pulled by digest, one pull for however many ask, kept within a bound, evicted when nobody uses them.

What is on disk is whole, or it is rubbish that the next `open` removes: an agent may be killed at any moment. The record of an image comes
last and goes first.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from quarterdeck.agent import ports
from quarterdeck.agent.images import model
from quarterdeck.agent.images.blobs import Blobs
from quarterdeck.agent.images.errors import ImageNotHere, ImagesFull
from quarterdeck.agent.images.fetching import Fetcher
from quarterdeck.agent.images.model import Record
from quarterdeck.agent.images.pulls import Pull
from quarterdeck.agent.images.records import Records
from quarterdeck.agent.images.trees import Trees
from quarterdeck.agent.kernels.spec import Image
from quarterdeck.base import tasks
from quarterdeck.base.clock import Clock
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.wire.agents import AgentImage, ImagePull, PullStatus

FAILURES_MAX = 256
"""How many pulls that failed are remembered."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shelves:
    """Where images are on disk. `open` removes what an earlier agent left half. Its methods block."""

    records: Records
    blobs: Blobs
    trees: Trees

    @classmethod
    def open(cls, root: Path, clock: Clock) -> "Shelves":
        """Open a directory, made if it is not there. Raises OSError."""
        shelves = cls(
            Records.open(root / "images", clock),
            Blobs.open(root / "blobs"),
            Trees.open(root / "trees"),
        )
        for record in shelves.records:
            if not shelves.trees.has(record.chain):
                shelves.records.remove(record.digest)
        shelves.sweep(set())
        return shelves

    def sweep(self, needed: set[str]) -> None:
        """Remove the blobs and trees that neither an image nor a pull needs. Raises OSError."""
        records = tuple(self.records)
        self.trees.remove_all_but(needed | {one.chain for one in records})
        self.blobs.remove_all_but(needed | {blob for one in records for blob in one.blobs})


class ImageStore:
    """Made by `open`. `bytes_max` bounds what images take on disk, all together."""

    def __init__(
        self,
        shelves: Shelves,
        registries: ports.Registries,
        news: ports.News,
        *,
        background: tasks.Background,
        bytes_max: int,
    ) -> None:
        self._shelves = shelves
        self._fetcher = Fetcher(registries, shelves.blobs, shelves.trees)
        self._news = news
        self._background = background
        self._bytes_max = bytes_max
        self._pulls: dict[str, Pull] = {}
        self._users: dict[str, str] = {}
        self._making_room = asyncio.Lock()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        root: Path,
        registries: ports.Registries,
        news: ports.News,
        *,
        bytes_max: int,
        clock: Clock,
    ) -> AsyncIterator["ImageStore"]:
        """Own the images below a directory for the time of a block; pulls end with it. Raises OSError."""
        shelves = await asyncio.to_thread(Shelves.open, root, clock)
        async with tasks.background() as background:
            yield cls(shelves, registries, news, background=background, bytes_max=bytes_max)

    def show(self, digest: str) -> AgentImage:
        """Return how far an image is. Raises `ImageNotHere`."""
        if (record := self._shelves.records.get(digest)) is not None:
            return _ready(record)
        if digest not in self._pulls:
            raise ImageNotHere
        return self._pulls[digest].view()

    def list(self) -> Sequence[AgentImage]:
        """Return all images that are here, on their way, or failed to come."""
        here = [_ready(one) for one in self._shelves.records]
        return [*here, *(pull.view() for pull in self._pulls.values())]

    def pull(self, digest: str, source: ImagePull) -> AgentImage:
        """Have an image pulled, unless it is here or on its way; a pull that has failed is begun anew."""
        known = self._pulls.get(digest)
        under_way = known is not None and known.status is PullStatus.PULLING
        if self._shelves.records.get(digest) is None and not under_way:
            self._forget_failures(digest)
            pull = self._pulls[digest] = Pull(digest)
            self._background.start(self._pull(pull, source))
        return self.show(digest)

    def use(self, digest: str, user: str) -> Image:
        """Return an image and keep it here until `release`. Raises `ImageNotHere`, `ImageUnusable`."""
        record = self._shelves.records.get(digest)
        if record is None:
            raise ImageNotHere(field="digest")
        runtime, environment = model.runtime(record.config), model.environment(record.config)
        self._users[user] = digest
        self._shelves.records.touch(digest)
        return Image(str(self._shelves.trees.path(record.chain)), runtime, environment)

    def release(self, user: str) -> None:
        """Take note that somebody needs an image no more; nothing happens to who uses none."""
        self._users.pop(user, None)

    async def _pull(self, pull: Pull, source: ImagePull) -> None:
        try:
            record = await self._fetcher.fetch(pull, source, self._make_room)
            await asyncio.to_thread(self._shelves.records.write, record)
            self._shelves.records.note(record)
            del self._pulls[pull.digest]
        except QuarterdeckError as error:
            pull.fail(error.detail)
        except OSError as error:
            pull.fail(f"The agent's disk refuses: {error.strerror or error}")
        _log.info("image-pull-ended", extra={"image": pull.digest, "reason": pull.reason})
        await self._tidy()
        self._news.image_changed(pull.digest)

    async def _make_room(self, pull: Pull, wanted: int) -> int:
        """Reserve bytes for a pull, and return what it may take when unpacked. What it needs stays from now on. Raises `ImagesFull`."""
        async with self._making_room:
            kept = sum(one.size_bytes for one in self._shelves.records if self._is_used(one))
            reserved = sum(one.reserved_bytes for one in self._pulls.values() if one is not pull)
            room = self._bytes_max - kept - reserved - wanted
            if room < 0:
                raise ImagesFull(
                    f"The image takes {_mib(wanted)} MiB, and of {_mib(self._bytes_max)} MiB for images "
                    f"{_mib(kept + reserved)} are in use"
                )
            pull.reserved_bytes = wanted
        await self._tidy()
        return room

    async def _tidy(self) -> None:
        """Evict what is beyond the bound, and remove what nobody needs."""
        async with self._making_room:
            needed = {one for pull in self._pulls.values() for one in pull.needs}
            self._evict()
            await asyncio.to_thread(self._shelves.sweep, needed)

    def _evict(self) -> None:
        records = self._shelves.records
        taken = sum(one.size_bytes for one in records)
        taken += sum(one.reserved_bytes for one in self._pulls.values())
        for one in records:
            if taken > self._bytes_max and not self._is_used(one):
                records.remove(one.digest)
                taken -= one.size_bytes
                _log.info("image-evicted", extra={"image": one.digest})

    def _is_used(self, record: Record) -> bool:
        return record.digest in self._users.values()

    def _forget_failures(self, digest: str) -> None:
        self._pulls.pop(digest, None)
        failed = [one for one in self._pulls.values() if one.status is PullStatus.FAILED]
        for one in failed[: max(0, len(failed) - FAILURES_MAX)]:
            del self._pulls[one.digest]


def _mib(size: int) -> int:
    return -(-size // 2**20)


def _ready(record: Record) -> AgentImage:
    """Return how an image that is here looks to others: all of it is done."""
    layers = len(record.config.rootfs.diff_ids)
    return AgentImage(
        digest=record.digest,
        status=PullStatus.READY,
        bytes_done=record.size_bytes,
        bytes_total=record.size_bytes,
        layer=layers,
        layers=layers,
    )
