"""A volume in a bucket of an S3 server: the port of `quarterdeck.storage_proxy.ports` over `quarterdeck.infra.object_store`.

What keys mean is in `s3_trees`. Imported only where such a volume is configured.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from quarterdeck.base.clock import Clock
from quarterdeck.infra.etcd import Etcd
from quarterdeck.infra.object_store import Object, ObjectStore
from quarterdeck.storage_proxy import errors, ports
from quarterdeck.storage_proxy.config import S3VolumeConfig
from quarterdeck.storage_proxy.model import Limits, Span, TreePath
from quarterdeck.storage_proxy.volumes import s3_pieces, s3_trees
from quarterdeck.storage_proxy.volumes.leases import Leases
from quarterdeck.storage_proxy.volumes.s3_arranging import S3Arranging
from quarterdeck.storage_proxy.volumes.s3_pieces import Bucket
from quarterdeck.storage_proxy.volumes.s3_uploads import S3Uploads
from quarterdeck.wire.folders import FileEntry


class S3Volume(S3Arranging):
    """Trees in one bucket. Raises `ObjectStoreUnavailable` wherever the store does not answer."""

    abilities: frozenset[str] = frozenset()

    async def create_tree(self, tree: str) -> None:
        """Make an empty tree; nothing happens if it is there."""
        await self._store.put(s3_trees.marker(tree), s3_trees.nothing())

    async def delete_tree(self, tree: str) -> None:
        """Remove the tree with all its files; nothing happens if it is gone."""
        await self._store.delete(s3_trees.marker(tree))
        await self._store.delete_prefix(s3_trees.key(tree, ()))

    async def entries(self, tree: str, path: TreePath, *, recursive: bool) -> list[FileEntry]:
        """List what is in a directory, sorted by path; a file lists itself."""
        await self._require_tree(tree)
        if path:
            await self._require_directories(tree, path[:-1])
            if alone := await self._store.head(s3_trees.key(tree, path)):
                return [s3_trees.file(tree, alone)]
        found: dict[str, FileEntry] = {}
        async for item in self._below(tree, path, recursive=recursive):
            found[item.path] = item
            s3_trees.bound(len(found), self._limits.listing_entries_max)
        if path and not found and not await self._is_directory(tree, path):
            raise errors.FileNotFound(field="path")
        return [found[place] for place in sorted(found)]

    async def put(
        self,
        tree: str,
        path: TreePath,
        blocks: AsyncIterator[ports.Block],
        size: int | None = None,
    ) -> FileEntry:
        """Take in a file. It is visible when it is whole. Raises `TreeNotFound`, also if the tree went meanwhile."""
        del size
        await self._require_tree(tree)
        await self._require_place(tree, path)
        key = s3_trees.key(tree, path)
        await self._store.put(key, blocks)
        if not await self._is_there(tree):
            await self._store.delete(key)
            raise errors.TreeNotFound
        if (written := await self._store.head(key)) is None:
            raise errors.FileNotFound(field="path")
        return s3_trees.file(tree, written)

    @contextlib.asynccontextmanager
    async def open(self, tree: str, path: TreePath) -> AsyncIterator[ports.Source]:
        """Open a file."""
        await self._require_tree(tree)
        found = await self._store.head(s3_trees.key(tree, path))
        if found is None:
            await self._require_directories(tree, path[:-1])
            if await self._is_directory(tree, path):
                raise errors.IsDirectory(field="path")
            raise errors.FileNotFound(field="path")
        yield _Source(self._store, found, s3_trees.file(tree, found))

    async def delete(self, tree: str, path: TreePath) -> None:
        """Remove a file, or a directory with all in it."""
        await self._require_tree(tree)
        if await self._store.head(s3_trees.key(tree, path)):
            await self._store.delete(s3_trees.key(tree, path))
            return
        await self._require_directories(tree, path[:-1])
        if not await self._store.delete_prefix(s3_trees.key(tree, path) + "/"):
            raise errors.FileNotFound(field="path")

    async def _require_place(self, tree: str, path: TreePath) -> None:
        if await self._store.head(s3_trees.key(tree, path)):
            return
        await self._require_directories(tree, path[:-1])
        if await self._is_directory(tree, path):
            raise errors.IsDirectory(field="path")
        await self._require_entry(tree, path)


@dataclass(frozen=True)
class _Source:
    store: ObjectStore
    found: Object
    entry: FileEntry

    @property
    def etag(self) -> str:
        return self.found.etag

    def blocks(self, stretch: Span) -> AsyncIterator[bytes]:
        return self.store.get(
            self.found.key, start=stretch.start, length=stretch.length, etag=self.found.etag
        )


class ResumableS3Volume(S3Volume):
    """Trees in one bucket that take files in pieces, too."""

    abilities = frozenset({ports.ABILITY_RESUME})

    def __init__(self, store: ObjectStore, limits: Limits, leases: Leases, clock: Clock) -> None:
        super().__init__(store, limits)
        self.uploads = S3Uploads(Bucket(self, store, clock), leases, limits)

    async def delete_tree(self, tree: str) -> None:
        """Remove the tree with all its files and uploads; nothing happens if it is gone."""
        await super().delete_tree(tree)
        await self._store.delete_prefix(s3_pieces.prefix(tree))


@contextlib.asynccontextmanager
async def open_volume(
    config: S3VolumeConfig, limits: Limits, etcd: Etcd, clock: Clock
) -> AsyncIterator[ResumableS3Volume]:
    """Own the connections to the store for the time of a block."""
    async with ObjectStore.open(
        config.endpoint,
        config.bucket,
        access_key=config.access_key,
        secret_key=config.secret_key,
        region=config.region,
    ) as store:
        yield ResumableS3Volume(store, limits, Leases(etcd), clock)
