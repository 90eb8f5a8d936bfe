"""A volume in a bucket of an S3 server: the port of `quarterdeck.storage_proxy.ports` over `quarterdeck.infra.object_store`.

    trees/<tree>             an empty object: the tree is there
    files/<tree>/<path>      a file

Directories are what the keys imply: one that loses its last file is gone. Imported only where such a volume is configured.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from quarterdeck.infra.object_store import Object, ObjectStore
from quarterdeck.storage_proxy import errors, model, ports
from quarterdeck.storage_proxy.config import S3VolumeConfig
from quarterdeck.storage_proxy.model import Limits, Span, TreePath
from quarterdeck.wire.folders import FileEntry, FileKind


class S3Volume:
    """Trees in one bucket. Raises `ObjectStoreUnavailable` wherever the store does not answer."""

    abilities: frozenset[str] = frozenset()

    def __init__(self, store: ObjectStore, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    async def create_tree(self, tree: str) -> None:
        """Make an empty tree; nothing happens if it is there."""
        await self._store.put(_marker(tree), _nothing())

    async def delete_tree(self, tree: str) -> None:
        """Remove the tree with all its files; nothing happens if it is gone."""
        await self._store.delete(_marker(tree))
        await self._store.delete_prefix(_key(tree, ()))

    async def entries(self, tree: str, path: TreePath, *, recursive: bool) -> list[FileEntry]:
        """List what is in a directory, sorted by path; a file lists itself."""
        await self._require_tree(tree)
        if path:
            await self._require_directories(tree, path[:-1])
            if alone := await self._store.head(_key(tree, path)):
                return [_file(tree, alone)]
        found: dict[str, FileEntry] = {}
        async for item in self._below(tree, path, recursive=recursive):
            found[item.path] = item
            _bound(len(found), self._limits.listing_entries_max)
        if path and not found:
            raise errors.FileNotFound(field="path")
        return [found[place] for place in sorted(found)]

    async def put(self, tree: str, path: TreePath, blocks: AsyncIterator[bytes]) -> FileEntry:
        """Take in a file. It is visible when it is whole. Raises `TreeNotFound`, also if the tree went meanwhile."""
        await self._require_tree(tree)
        await self._require_place(tree, path)
        key = _key(tree, path)
        await self._store.put(key, blocks)
        if await self._store.head(_marker(tree)) is None:
            await self._store.delete(key)
            raise errors.TreeNotFound
        if (written := await self._store.head(key)) is None:
            raise errors.FileNotFound(field="path")
        return _file(tree, written)

    @contextlib.asynccontextmanager
    async def open(self, tree: str, path: TreePath) -> AsyncIterator[ports.Source]:
        """Open a file."""
        await self._require_tree(tree)
        found = await self._store.head(_key(tree, path))
        if found is None:
            await self._require_directories(tree, path[:-1])
            if await self._is_directory(tree, path):
                raise errors.IsDirectory(field="path")
            raise errors.FileNotFound(field="path")
        yield _Source(self._store, found, _file(tree, found))

    async def delete(self, tree: str, path: TreePath) -> None:
        """Remove a file, or a directory with all in it."""
        await self._require_tree(tree)
        if await self._store.head(_key(tree, path)):
            await self._store.delete(_key(tree, path))
            return
        await self._require_directories(tree, path[:-1])
        if not await self._store.delete_prefix(_key(tree, path) + "/"):
            raise errors.FileNotFound(field="path")

    async def _require_tree(self, tree: str) -> None:
        if await self._store.head(_marker(tree)) is None:
            raise errors.TreeNotFound

    async def _require_directories(self, tree: str, path: TreePath) -> None:
        """Raise `NotDirectory` if a file is where the path has a directory."""
        for depth in range(1, len(path) + 1):
            if await self._store.head(_key(tree, path[:depth])):
                raise errors.NotDirectory(field="path")

    async def _require_place(self, tree: str, path: TreePath) -> None:
        if await self._store.head(_key(tree, path)):
            return
        await self._require_directories(tree, path[:-1])
        if await self._is_directory(tree, path):
            raise errors.IsDirectory(field="path")
        objects, prefixes = await self._store.children(_prefix(tree, path[:-1]))
        _bound(len(objects) + len(prefixes) + 1, self._limits.directory_entries_max)

    async def _is_directory(self, tree: str, path: TreePath) -> bool:
        async with contextlib.aclosing(self._store.below(_prefix(tree, path))) as found:
            return await anext(found, None) is not None

    async def _below(
        self, tree: str, path: TreePath, *, recursive: bool
    ) -> AsyncIterator[FileEntry]:
        """Give the files below a directory and the directories that their keys imply, these perhaps more than once."""
        if not recursive:
            objects, prefixes = await self._store.children(_prefix(tree, path))
            for item in objects:
                yield _file(tree, item)
            for prefix in prefixes:
                yield _directory(prefix.removeprefix(_key(tree, ())).rstrip("/"))
            return
        async for item in self._store.below(_prefix(tree, path)):
            file = _file(tree, item)
            names = file.path.split("/")
            for depth in range(len(path) + 1, len(names)):
                yield _directory(model.render(names[:depth]))
            yield file


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


@contextlib.asynccontextmanager
async def open_volume(config: S3VolumeConfig, limits: Limits) -> AsyncIterator[S3Volume]:
    """Own the connections to the store for the time of a block."""
    async with ObjectStore.open(
        config.endpoint,
        config.bucket,
        access_key=config.access_key,
        secret_key=config.secret_key,
        region=config.region,
    ) as store:
        yield S3Volume(store, limits)


def _marker(tree: str) -> str:
    return f"trees/{model.tree_id(tree)}"


def _key(tree: str, path: TreePath) -> str:
    return f"files/{model.tree_id(tree)}/{model.render(path)}"


def _prefix(tree: str, path: TreePath) -> str:
    return _key(tree, path) + "/" if path else _key(tree, path)


def _file(tree: str, item: Object) -> FileEntry:
    return FileEntry(
        path=item.key.removeprefix(_key(tree, ())),
        kind=FileKind.FILE,
        size=item.size,
        modified_at=item.modified_at,
    )


def _directory(path: str) -> FileEntry:
    """Return a directory's entry. Nobody knows when it changed last, so all say the same."""
    return FileEntry(
        path=path,
        kind=FileKind.DIRECTORY,
        size=0,
        modified_at=datetime.fromtimestamp(0, UTC),
    )


def _bound(count: int, limit: int) -> None:
    if count > limit:
        raise errors.TooManyEntries(f"at most {limit} entries", field="path")


async def _nothing() -> AsyncIterator[bytes]:  # noqa: RUF029 - the store takes a stream
    yield b""
