"""What an upload in pieces is in a bucket, and the only writer of one. For `s3_uploads`.

    uploads/<tree>/<upload>/record            what the upload said when it began
    uploads/<tree>/<upload>/kept-<token>      which chunks count, by the writer with this token; the greatest token says how it is
    uploads/<tree>/<upload>/<token>-<start>   a chunk

A writer's token is in the names of all it writes: what one writes whose lease has ended is never looked at.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import msgspec

from quarterdeck.base.clock import Clock
from quarterdeck.infra.object_parts import PART_BYTES
from quarterdeck.infra.object_store import ObjectStore
from quarterdeck.storage_proxy import model, ports
from quarterdeck.storage_proxy.model import Upload
from quarterdeck.storage_proxy.volumes.leases import Lease
from quarterdeck.wire.folders import FileEntry

RECORD, KEPT = "record", "kept-"
_DIGITS = 20


class Kept(msgspec.Struct, frozen=True):
    """The chunks that count, in order, with their sizes; `finished_at`, in seconds since 1970, when the file is at its path."""

    chunks: tuple[tuple[str, int], ...] = ()
    finished_at: float = 0.0

    @property
    def size(self) -> int:
        """How many bytes they are."""
        return sum(size for _, size in self.chunks)


@dataclass(frozen=True)
class Bucket:
    """Where uploads lie, and what takes them when they are whole."""

    volume: ports.Volume
    store: ObjectStore
    clock: Clock

    async def read(self, key: str) -> bytes:
        """Return the content of a small object."""
        return b"".join([block async for block in self.store.get(key)])


class Piecewise:
    """One upload, leased: the port `Writer`."""

    def __init__(
        self, bucket: Bucket, tree: str, known: tuple[Upload, Kept], lease: Lease
    ) -> None:
        self._bucket = bucket
        self._tree = tree
        self.upload, self._kept = known
        self._lease = lease
        self._written = list(self._kept.chunks)
        self._gathered = bytearray()

    @property
    def finished(self) -> bool:
        """Whether the file is at its path."""
        return self._kept.finished_at > 0

    @property
    def offset(self) -> int:
        """How many bytes are kept."""
        return self.upload.size if self.finished else self._kept.size

    @property
    def mark(self) -> str:
        """The last chunk, which has its writer's token in its name."""
        return self._kept.chunks[-1][0] if self._kept.chunks else ""

    async def note(self, kept: Kept) -> None:
        """Say what counts from now on. Raises `UploadBusy` if the lease was lost: then it may count or not."""
        name = f"{KEPT}{self._lease.token:0{_DIGITS}}"
        await self._bucket.store.put(self._key(name), one(msgspec.json.encode(kept)))
        await self._lease.require()
        self._kept = kept

    async def write(self, block: ports.Block) -> None:
        """Append, without keeping it."""
        self._gathered += block
        while len(self._gathered) >= PART_BYTES:
            await self._put(PART_BYTES)

    async def keep(self) -> None:
        """Keep what was written."""
        if self._gathered:
            await self._put(len(self._gathered))
        await self.note(Kept(tuple(self._written)))

    async def drop(self) -> None:
        """Forget what was written and not kept; the objects go with the upload."""
        self._gathered.clear()
        self._written = list(self._kept.chunks)

    async def join(self, parts: Sequence[ports.Writer]) -> None:
        """Append the content of others."""
        for part in parts:
            async for block in part.content(part.offset):
                await self.write(block)

    async def content(self, length: int) -> AsyncIterator[bytes]:
        """Read the first bytes of what was written."""
        left = length
        for name, size in self._written:
            async for block in self._bucket.store.get(self._key(name), length=min(size, left)):
                yield block
            left -= min(size, left)
        if left:
            yield bytes(self._gathered[:left])

    async def finish(self) -> FileEntry:
        """Put the file at its path. The chunks are read and written once more: a bucket can hardly join objects of any size."""
        await self._lease.require()
        size = sum(size for _, size in self._written) + len(self._gathered)
        entry = await self._bucket.volume.put(self._tree, self.upload.path, self.content(size))
        await self.note(Kept(finished_at=self._bucket.clock.now().timestamp()))
        for name, _ in self._written:
            await self._bucket.store.delete(self._key(name))
        return entry

    async def discard(self) -> None:
        """Remove the upload, its record first: without one it is none."""
        await self._lease.require()
        await self._bucket.store.delete(self._key(RECORD))
        await self._bucket.store.delete_prefix(self._key(""))

    async def _put(self, length: int) -> None:
        start = sum(size for _, size in self._written)
        name = f"{self._lease.token:0{_DIGITS}}-{start:0{_DIGITS}}"
        await self._bucket.store.put(self._key(name), one(bytes(self._gathered[:length])))
        del self._gathered[:length]
        self._written.append((name, length))

    def _key(self, name: str) -> str:
        return key(self._tree, self.upload.id, name)


def key(tree: str, upload: str, name: str) -> str:
    """Return the key of one of an upload's objects; without a name the prefix of all."""
    return f"{prefix(tree)}{upload}/{name}"


def prefix(tree: str) -> str:
    """Return the prefix of the uploads into a tree."""
    return f"uploads/{model.tree_id(tree)}/"


async def one(content: bytes) -> AsyncIterator[bytes]:  # noqa: RUF029 - the store takes a stream
    """Give one block."""
    yield content
