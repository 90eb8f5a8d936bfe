"""How one image comes from a registry onto the disk: manifest, configuration, layers, tree; each compared with its digest. Used by `store`."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable

from quarterdeck.agent import ports
from quarterdeck.agent.images import model
from quarterdeck.agent.images.blobs import Blobs, Partial
from quarterdeck.agent.images.errors import BlobCorrupt, ImageUnusable
from quarterdeck.agent.images.model import Config, Descriptor, Index, Manifest, Record
from quarterdeck.agent.images.pulls import Pull
from quarterdeck.agent.images.trees import Layer, Trees
from quarterdeck.base import tasks
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.wire.agents import ImagePull

STALL_SECONDS_MAX = 60.0
ATTEMPTS = 3
ATTEMPT_PAUSE_SECONDS = 0.2
_WRITE_BYTES = 2**20

MakeRoom = Callable[[Pull, int], Awaitable[int]]
"""Has this many bytes free for a pull; returns how many more it may take."""


class Fetcher:
    """Brings images. Blobs that several images need come once; trees are made one after the other."""

    def __init__(self, registry: ports.Registry, blobs: Blobs, trees: Trees) -> None:
        self._registry = registry
        self._blobs = blobs
        self._trees = trees
        self._arriving: dict[str, asyncio.Lock] = {}
        self._unpacking = asyncio.Lock()

    async def fetch(self, pull: Pull, source: ImagePull, make_room: MakeRoom) -> Record:
        """Bring an image and return its record. Raises `QuarterdeckError`, OSError, TimeoutError."""
        manifest = await self._manifest(pull.digest, source)
        kinds = [model.compression(layer) for layer in manifest.layers]
        described = (manifest.config, *manifest.layers)
        pull.layers = len(manifest.layers)
        pull.bytes_total = sum(layer.size for layer in manifest.layers)
        pull.needs |= {one.digest for one in described}
        wanted = sum(one.size for one in described)
        await make_room(pull, wanted)
        config = await self._config(source, manifest)
        for pull.layer, layer in enumerate(manifest.layers, start=1):
            await self._blob(source, layer, pull)
        chain = model.chain(config.rootfs.diff_ids)
        pull.needs |= set(chain)
        room = await make_room(pull, wanted)
        layers = [
            Layer(str(self._blobs.path(layer.digest)), kind, diff_id)
            for layer, kind, diff_id in zip(
                manifest.layers, kinds, config.rootfs.diff_ids, strict=True
            )
        ]
        async with self._unpacking:
            size = await self._trees.make(chain, layers, bytes_max=room)
        return Record(
            digest=pull.digest,
            chain=chain[-1],
            blobs=tuple(dict.fromkeys(one.digest for one in described)),
            size_bytes=size + wanted,
            config=config,
        )

    async def _manifest(self, digest: str, source: ImagePull) -> Manifest:
        found = model.manifest(await self._verified(digest, source))
        if isinstance(found, Index):
            found = model.manifest(await self._verified(model.choose(found).digest, source))
        if isinstance(found, Index):
            raise ImageUnusable("The image's index names another index")
        return found

    async def _verified(self, digest: str, source: ImagePull) -> bytes:
        async with asyncio.timeout(STALL_SECONDS_MAX):
            data = await self._registry.manifest(source, digest)
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
            raise BlobCorrupt(f"{digest}: the registry sent another manifest")
        return data

    async def _config(self, source: ImagePull, manifest: Manifest) -> Config:
        described = manifest.config
        if described.size > model.MANIFEST_BYTES_MAX:
            raise ImageUnusable(f"The image's configuration is too long: {described.size} bytes")
        await self._blob(source, described)
        data = await asyncio.to_thread(self._blobs.path(described.digest).read_bytes)
        return model.config(data, manifest)

    async def _blob(self, source: ImagePull, blob: Descriptor, pull: Pull | None = None) -> None:
        """Have a blob here, after some attempts if need be."""
        lock = self._arriving.setdefault(blob.digest, asyncio.Lock())
        done = pull.bytes_done if pull else 0
        async with lock:
            for attempt in range(1, ATTEMPTS + 1):
                if pull:
                    pull.bytes_done = done
                if await self._arrives(source, blob, pull, last=attempt == ATTEMPTS):
                    break
        if not lock.locked():
            self._arriving.pop(blob.digest, None)

    async def _arrives(
        self, source: ImagePull, blob: Descriptor, pull: Pull | None, *, last: bool
    ) -> bool:
        try:
            await self._download(source, blob, pull)
        except QuarterdeckError:
            if last:
                raise
            await tasks.pause(ATTEMPT_PAUSE_SECONDS)
            return False
        return True

    async def _download(self, source: ImagePull, blob: Descriptor, pull: Pull | None) -> None:
        if self._blobs.has(blob.digest):
            if pull:
                pull.bytes_done += blob.size
            return
        partial = await asyncio.to_thread(self._blobs.begin, blob.digest, blob.size)
        try:
            await _fill(partial, self._registry.blob(source, blob.digest), pull)
            await asyncio.to_thread(partial.finish)
        finally:
            await asyncio.to_thread(partial.close)


async def _fill(partial: Partial, pieces: AsyncIterator[bytes], pull: Pull | None) -> None:
    """Write what arrives, in larger pieces than it comes."""
    waiting = bytearray()
    while (piece := await _next(pieces)) is not None:
        waiting += piece
        if pull:
            pull.bytes_done += len(piece)
        if len(waiting) >= _WRITE_BYTES:
            await asyncio.to_thread(partial.write, bytes(waiting))
            waiting.clear()
    await asyncio.to_thread(partial.write, bytes(waiting))


async def _next(pieces: AsyncIterator[bytes]) -> bytes | None:
    async with asyncio.timeout(STALL_SECONDS_MAX):
        return await anext(pieces, None)
