"""The images of an agent: pulled by digest, one pull for however many ask, kept within a bound, evicted when nobody uses them.

What is on disk is whole, or it is rubbish that the next `open` removes: an agent may be killed at any moment. The record of an image comes
last and goes first.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from quarterdeck.agent import ports
from quarterdeck.agent.images import model
from quarterdeck.agent.images.errors import ImageNotHere
from quarterdeck.agent.images.fetching import Fetcher
from quarterdeck.agent.images.model import Record
from quarterdeck.agent.images.pulls import Pull
from quarterdeck.agent.images.room import Room
from quarterdeck.agent.images.shelves import Shelves
from quarterdeck.agent.kernels.spec import Image
from quarterdeck.base import tasks
from quarterdeck.base.clock import Clock
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.wire.agents import AgentImage, ImagePull, PullStatus

FAILURES_MAX = 256
"""How many pulls that failed are remembered."""

_log = logging.getLogger(__name__)


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
        self._room = Room(shelves, bytes_max)
        self._pulls = self._room.pulls
        self._users = self._room.users

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
            record = await self._fetcher.fetch(pull, source, self._room)
            await asyncio.to_thread(self._shelves.records.write, record)
            self._shelves.records.note(record)
            del self._pulls[pull.digest]
        except QuarterdeckError as error:
            pull.fail(error.detail)
        except OSError as error:
            pull.fail(f"The agent's disk refuses: {error.strerror or error}")
        _log.info("image-pull-ended", extra={"image": pull.digest, "reason": pull.reason})
        try:
            await self._room.tidy()
        except OSError as error:  # the next pull tries again, and the next start
            _log.error("images-not-tidied", extra={"error": str(error)})
        self._news.image_changed(pull.digest)

    def _forget_failures(self, digest: str) -> None:
        self._pulls.pop(digest, None)
        failed = [one for one in self._pulls.values() if one.status is PullStatus.FAILED]
        for one in failed[: max(0, len(failed) - FAILURES_MAX)]:
            del self._pulls[one.digest]


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
