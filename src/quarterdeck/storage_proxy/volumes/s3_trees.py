"""Trees in a bucket, and what is at a path of one. For `s3` and `s3_arranging`.

    trees/<tree>                 an empty object: the tree is there
    files/<tree>/<path>          a file
    files/<tree>/<path>/%2e      an empty object: the directory is there even without files; no file may have this name

Other directories are what the keys imply: one that loses its last file is gone.
"""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from quarterdeck.infra.object_store import Object, ObjectStore
from quarterdeck.storage_proxy import errors, model
from quarterdeck.storage_proxy.model import Limits, TreePath
from quarterdeck.wire.folders import FileEntry, FileKind

_MARK = "%2e"


class S3Trees:
    """Trees in one bucket. Raises `ObjectStoreUnavailable` wherever the store does not answer, `BucketMissing` if it has no such bucket."""

    def __init__(self, store: ObjectStore, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    async def _require_tree(self, tree: str) -> None:
        if not await self._is_there(tree):
            await self._store.check()
            raise errors.TreeNotFound

    async def _is_there(self, tree: str) -> bool:
        """Tell whether a tree is there yet: what was written into one that went meanwhile has to go, too."""
        return await self._store.head(marker(tree)) is not None

    async def _require_directories(self, tree: str, path: TreePath) -> None:
        """Raise `NotDirectory` if a file is where the path has a directory."""
        for depth in range(1, len(path) + 1):
            if await self._store.head(key(tree, path[:depth])):
                raise errors.NotDirectory(field="path")

    async def _require_entry(self, tree: str, path: TreePath) -> None:
        """Raise `TooManyEntries` if the deepest directory that is there takes no more."""
        for depth in range(len(path) - 1, -1, -1):
            objects, prefixes = await self._store.children(prefix(tree, path[:depth]))
            if objects or prefixes:
                count = sum(not is_mark(item) for item in objects) + len(prefixes)
                bound(count + 1, self._limits.directory_entries_max)
                return

    async def _is_directory(self, tree: str, path: TreePath) -> bool:
        async with contextlib.aclosing(self._store.below(prefix(tree, path))) as found:
            return await anext(found, None) is not None

    async def _below(
        self, tree: str, path: TreePath, *, recursive: bool
    ) -> AsyncIterator[FileEntry]:
        """Give the files below a directory and the directories that their keys imply, these perhaps more than once."""
        if not recursive:
            objects, prefixes = await self._store.children(prefix(tree, path))
            for item in objects:
                if not is_mark(item):
                    yield file(tree, item)
            for found in prefixes:
                yield directory(found.removeprefix(key(tree, ())).rstrip("/"))
            return
        async for item in self._store.below(prefix(tree, path)):
            shown = file(tree, item)
            names = shown.path.split("/")
            for depth in range(len(path) + 1, len(names)):
                yield directory(model.render(names[:depth]))
            if not is_mark(item):
                yield shown


def marker(tree: str) -> str:
    """Return the key that says that a tree is there."""
    return f"trees/{model.tree_id(tree)}"


def key(tree: str, path: TreePath) -> str:
    """Return the key of a file."""
    return f"files/{model.tree_id(tree)}/{model.render(path)}"


def prefix(tree: str, path: TreePath) -> str:
    """Return how the keys of all in a directory begin."""
    return key(tree, path) + "/" if path else key(tree, path)


def mark(tree: str, path: TreePath) -> str:
    """Return the key that says that a directory is there."""
    return prefix(tree, path) + _MARK


def is_mark(item: Object) -> bool:
    """Tell whether an object stands for the directory that it is in."""
    return item.key.endswith("/" + _MARK)


def file(tree: str, item: Object) -> FileEntry:
    """Return what a listing shows of a file."""
    return FileEntry(
        path=item.key.removeprefix(key(tree, ())),
        kind=FileKind.FILE,
        size=item.size,
        modified_at=item.modified_at,
    )


def directory(path: str) -> FileEntry:
    """Return a directory's entry. Nobody knows when it changed last, so all say the same."""
    return FileEntry(
        path=path,
        kind=FileKind.DIRECTORY,
        size=0,
        modified_at=datetime.fromtimestamp(0, UTC),
    )


def bound(count: int, limit: int) -> None:
    """Raise `TooManyEntries` when the count is over the limit."""
    if count > limit:
        raise errors.TooManyEntries(f"at most {limit} entries", field="path")


async def nothing() -> AsyncIterator[bytes]:  # noqa: RUF029 - the store takes a stream
    """Give the content of an empty object."""
    yield b""
