"""How one image comes from a registry onto the disk: manifest, configuration, layers, tree; each compared with its digest. Used by `store`."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator
from weakref import WeakValueDictionary

from quarterdeck.agent import ports
from quarterdeck.agent.images import model
from quarterdeck.agent.images.blobs import Blobs, Partial
from quarterdeck.agent.images.errors import BlobCorrupt, ImageUnusable
from quarterdeck.agent.images.model import Record
from quarterdeck.agent.images.pulls import Pull
from quarterdeck.agent.images.room import Room
from quarterdeck.agent.images.trees import Layer, Trees
from quarterdeck.wire.agents import ImagePull
from quarterdeck.wire.oci import Descriptor, ImageConfig, Index, Manifest

_WRITE_BYTES = 2**20


class Fetcher:
    """Brings images. Blobs that several images need come once; trees are made one after the other."""

    def __init__(self, registries: ports.Registries, blobs: Blobs, trees: Trees) -> None:
        self._registries = registries
        self._blobs = blobs
        self._trees = trees
        self._arriving: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._unpacking = asyncio.Lock()

    async def fetch(self, pull: Pull, source: ImagePull, room: Room) -> Record:
        """Bring an image and return its record. Raises `QuarterdeckError`, OSError."""
        async with self._registries.open(source) as registry:
            manifest = await _manifest(pull.digest, registry)
            kinds = [model.compression(layer) for layer in manifest.layers]
            described = (manifest.config, *manifest.layers)
            wanted = sum(one.size for one in described)
            pull.layers = len(manifest.layers)
            pull.bytes_total = sum(layer.size for layer in manifest.layers)
            pull.needs |= {one.digest for one in described}
            missing = sum(one.size for one in described if not self._blobs.has(one.digest))
            await room.reserve(pull, wanted, missing)
            config = await self._config(registry, manifest)
            for pull.layer, layer in enumerate(manifest.layers, start=1):
                await self._blob(registry, layer, pull)
        chain = model.chain(config.rootfs.diff_ids)
        pull.needs |= set(chain)
        layers = [
            Layer(str(self._blobs.path(layer.digest)), kind, diff_id)
            for layer, kind, diff_id in zip(
                manifest.layers, kinds, config.rootfs.diff_ids, strict=True
            )
        ]
        async with self._unpacking:
            bytes_max = await room.unpack(pull, wanted)
            size = await self._trees.make(chain, layers, bytes_max=bytes_max)
            pull.know(wanted + size)
        blobs = tuple(dict.fromkeys(one.digest for one in described))
        return Record(
            digest=pull.digest,
            chain=chain[-1],
            blobs=blobs,
            size_bytes=size + wanted,
            config=config,
        )

    async def _config(self, registry: ports.Registry, manifest: Manifest) -> ImageConfig:
        await self._blob(registry, manifest.config)
        data = await asyncio.to_thread(self._blobs.path(manifest.config.digest).read_bytes)
        return model.config(data, manifest)

    async def _blob(
        self, registry: ports.Registry, blob: Descriptor, pull: Pull | None = None
    ) -> None:
        """Have a blob here: somebody else may be bringing it already."""
        lock = self._arriving.setdefault(blob.digest, asyncio.Lock())
        async with lock:
            await self._download(registry, blob, pull)

    async def _download(
        self, registry: ports.Registry, blob: Descriptor, pull: Pull | None
    ) -> None:
        if self._blobs.has(blob.digest):
            if pull:
                pull.bytes_done += blob.size
            return
        partial = await asyncio.to_thread(self._blobs.begin, blob.digest, blob.size)
        try:
            await _fill(partial, registry.blob(blob), pull)
            await asyncio.to_thread(partial.finish)
        finally:
            await asyncio.to_thread(partial.close)


async def _manifest(digest: str, registry: ports.Registry) -> Manifest:
    found = model.manifest(await _verified(digest, registry))
    if isinstance(found, Index):
        found = model.manifest(await _verified(model.choose(found).digest, registry))
    if isinstance(found, Index):
        raise ImageUnusable("The image's index names another index")
    return found


async def _verified(digest: str, registry: ports.Registry) -> bytes:
    data = await registry.manifest(digest)
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
        raise BlobCorrupt(f"{digest}: the registry sent another manifest")
    return data


async def _fill(partial: Partial, pieces: AsyncGenerator[bytes, None], pull: Pull | None) -> None:
    """Write what arrives, in larger pieces than it comes."""
    waiting = bytearray()
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            waiting += piece
            if pull:
                pull.bytes_done += len(piece)
            if len(waiting) >= _WRITE_BYTES:
                await asyncio.to_thread(partial.write, bytes(waiting))
                waiting.clear()
    await asyncio.to_thread(partial.write, bytes(waiting))
