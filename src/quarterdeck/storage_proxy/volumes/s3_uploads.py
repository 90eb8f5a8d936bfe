"""Uploads in pieces in a bucket: the port `Uploads` of `quarterdeck.storage_proxy.ports`. What lies there is in `s3_pieces`."""

import contextlib
from collections.abc import AsyncIterator

import msgspec

from quarterdeck.infra.object_store import ObjectStore
from quarterdeck.storage_proxy import errors, ports
from quarterdeck.storage_proxy.model import Limits, Upload
from quarterdeck.storage_proxy.volumes import s3_pieces, s3_trees
from quarterdeck.storage_proxy.volumes.leases import Leases
from quarterdeck.storage_proxy.volumes.s3_pieces import Bucket, Kept, Piecewise

RECEIPT_SECONDS = 600
"""How long a finished upload is known."""

_ORPHAN_SECONDS = 3600
"""How long chunks stay that belong to no upload: whoever wrote the last one has long lost its lease then."""


class S3Uploads:
    """The uploads in all trees of a bucket."""

    def __init__(self, bucket: Bucket, leases: Leases, limits: Limits) -> None:
        self._bucket = bucket
        self._leases = leases
        self._limits = limits

    @property
    def _store(self) -> ObjectStore:
        return self._bucket.store

    async def begin(self, tree: str, upload: Upload, *, parts: int = 0) -> None:
        """Begin an upload; those of this tree that have expired make room. Nothing is counted."""
        del parts
        if await self._store.head(s3_trees.marker(tree)) is None:
            raise errors.TreeNotFound
        await self._sweep(tree)
        if len(await self.under_way(tree)) >= self._limits.uploads_max:
            raise errors.TooManyUploads(
                f"at most {self._limits.uploads_max} uploads of a folder are under way"
            )
        record = s3_pieces.key(tree, upload.id, s3_pieces.RECORD)
        await self._store.put(record, s3_pieces.one(msgspec.json.encode(upload)))

    async def find(self, tree: str, upload: str) -> tuple[Upload, int]:
        """Return an upload and how many bytes of it are kept."""
        found, kept = await self._look(tree, upload)
        return found, found.size if kept.finished_at else kept.size

    async def under_way(self, tree: str) -> list[tuple[Upload, int]]:
        """Return the uploads that are under way, oldest first."""
        found = []
        for upload in await self._ids(tree):
            with contextlib.suppress(errors.UploadNotFound):
                known, kept = await self._look(tree, upload)
                found += [] if kept.finished_at else [(known, kept.size)]
        return found

    @contextlib.asynccontextmanager
    async def writer(self, tree: str, upload: str) -> AsyncIterator[ports.Writer]:
        """Become the writer of an upload: whoever was it before writes nothing that counts any more."""
        async with self._entered(tree, upload) as writer:
            yield writer

    async def sweep(self) -> None:
        """Forget all uploads that have expired, and what others have left."""
        _, prefixes = await self._store.children("uploads/")
        for prefix in prefixes:
            await self._sweep(prefix.split("/")[1])

    @contextlib.asynccontextmanager
    async def _entered(self, tree: str, upload: str) -> AsyncIterator[Piecewise]:
        await self._look(tree, upload)
        async with self._leases.held(upload) as lease:
            known, kept = await self._look(tree, upload)
            writer = Piecewise(self._bucket, tree, (known, kept), lease)
            await writer.note(kept)
            yield writer

    async def _sweep(self, tree: str) -> None:
        for upload in await self._ids(tree):
            with contextlib.suppress(errors.UploadNotFound, errors.UploadBusy):
                await self._end(tree, upload)

    async def _end(self, tree: str, upload: str) -> None:
        try:
            found = await self._look(tree, upload)
        except errors.UploadNotFound:
            await self._remove_orphan(s3_pieces.key(tree, upload, ""))
            return
        if self._is_over(*found):
            async with self._entered(tree, upload) as writer:
                await writer.discard()

    async def _remove_orphan(self, place: str) -> None:
        """Remove what lies where no upload is: its removal broke off, or a writer was late."""
        now = self._bucket.clock.now()
        objects, _ = await self._store.children(place)
        if all((now - each.modified_at).total_seconds() > _ORPHAN_SECONDS for each in objects):
            await self._store.delete_prefix(place)

    def _is_over(self, upload: Upload, kept: Kept) -> bool:
        now = self._bucket.clock.now().timestamp()
        if kept.finished_at:
            return now - kept.finished_at > RECEIPT_SECONDS
        return now >= upload.expires_at

    async def _ids(self, tree: str) -> list[str]:
        _, prefixes = await self._store.children(s3_pieces.prefix(tree))
        return sorted(prefix.rstrip("/").rpartition("/")[2] for prefix in prefixes)

    async def _look(self, tree: str, upload: str) -> tuple[Upload, Kept]:
        objects, _ = await self._store.children(s3_pieces.key(tree, upload, ""))
        names = [each.key.rpartition("/")[2] for each in objects]
        if s3_pieces.RECORD not in names:
            raise errors.UploadNotFound
        record = await self._bucket.read(s3_pieces.key(tree, upload, s3_pieces.RECORD))
        newest = max((name for name in names if name.startswith(s3_pieces.KEPT)), default=None)
        known = msgspec.json.decode(record, type=Upload)
        if newest is None:
            return known, Kept()
        kept = await self._bucket.read(s3_pieces.key(tree, upload, newest))
        return known, msgspec.json.decode(kept, type=Kept)
