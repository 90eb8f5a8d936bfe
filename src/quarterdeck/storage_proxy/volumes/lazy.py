"""A volume that is opened when it is first used: a storage-proxy starts without the drivers that this takes to import.

Implements the port of `quarterdeck.storage_proxy.ports` for volumes that can resume uploads and nothing else beyond it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Protocol

from quarterdeck.storage_proxy import ports
from quarterdeck.storage_proxy.globs import Glob
from quarterdeck.storage_proxy.model import TreePath, Upload
from quarterdeck.wire.folders import FileEntry
from quarterdeck.wire.trees import Found


class Opened(ports.Volume, ports.Resumable, Protocol):
    """What is opened."""


Opener = Callable[[], Awaitable[AbstractAsyncContextManager[Opened]]]


class LazyVolume:
    """Stands for a volume until somebody needs it. Close it when done."""

    abilities = frozenset({ports.ABILITY_RESUME})

    def __init__(self, opener: Opener) -> None:
        """`opener` is awaited once; it returns what is entered then."""
        self._opener = opener
        self._stack = AsyncExitStack()
        self._lock = asyncio.Lock()
        self._volume: Opened | None = None
        self.uploads = _LazyUploads(self)

    async def aclose(self) -> None:
        """Close the volume if it was opened."""
        await self._stack.aclose()

    async def create_tree(self, tree: str) -> None:
        """Make an empty tree; nothing happens if it is there."""
        await (await self.opened()).create_tree(tree)

    async def delete_tree(self, tree: str) -> None:
        """Remove the tree with all its files; nothing happens if it is gone."""
        await (await self.opened()).delete_tree(tree)

    async def entries(self, tree: str, path: TreePath, *, recursive: bool) -> list[FileEntry]:
        """List what is in a directory, sorted by path; a file lists itself."""
        return await (await self.opened()).entries(tree, path, recursive=recursive)

    async def put(
        self,
        tree: str,
        path: TreePath,
        blocks: AsyncIterator[ports.Block],
        size: int | None = None,
    ) -> FileEntry:
        """Take in a file."""
        return await (await self.opened()).put(tree, path, blocks, size)

    @contextlib.asynccontextmanager
    async def open(self, tree: str, path: TreePath) -> AsyncIterator[ports.Source]:
        """Open a file."""
        async with (await self.opened()).open(tree, path) as source:
            yield source

    async def delete(self, tree: str, path: TreePath) -> None:
        """Remove a file, or a directory with all in it."""
        await (await self.opened()).delete(tree, path)

    async def stat(self, tree: str, path: TreePath) -> FileEntry:
        """Tell what is at a path."""
        return await (await self.opened()).stat(tree, path)

    async def mkdir(self, tree: str, path: TreePath) -> FileEntry:
        """Make a directory and those above it; nothing happens if it is there."""
        return await (await self.opened()).mkdir(tree, path)

    async def move(self, tree: str, source: TreePath, target: TreePath) -> FileEntry:
        """Give a file or directory another path."""
        return await (await self.opened()).move(tree, source, target)

    async def copy(self, tree: str, source: TreePath, target: TreePath) -> FileEntry:
        """Copy a file, or a directory with all in it."""
        return await (await self.opened()).copy(tree, source, target)

    async def search(self, tree: str, path: TreePath, glob: Glob, limit: int) -> Found:
        """Find what matches below a directory."""
        return await (await self.opened()).search(tree, path, glob, limit)

    async def clone_tree(self, tree: str, clone: str, scope: str | None) -> None:
        """Make a new tree with a copy of all that is in another; nothing happens if the new one is there."""
        await (await self.opened()).clone_tree(tree, clone, scope)

    @property
    def is_open(self) -> bool:
        """Whether somebody has needed it."""
        return self._volume is not None

    async def opened(self) -> Opened:
        """Return the volume, which is opened now if it was not."""
        async with self._lock:
            if self._volume is None:
                opening = await self._opener()
                self._volume = await self._stack.enter_async_context(opening)
            return self._volume


class _LazyUploads:
    """Stands for the uploads of the volume."""

    def __init__(self, volume: LazyVolume) -> None:
        self._volume = volume

    async def begin(self, tree: str, upload: Upload, *, parts: int = 0) -> None:
        await (await self._volume.opened()).uploads.begin(tree, upload, parts=parts)

    async def find(self, tree: str, upload: str) -> tuple[Upload, int]:
        return await (await self._volume.opened()).uploads.find(tree, upload)

    async def under_way(self, tree: str) -> list[tuple[Upload, int]]:
        return await (await self._volume.opened()).uploads.under_way(tree)

    @contextlib.asynccontextmanager
    async def writer(self, tree: str, upload: str) -> AsyncIterator[ports.Writer]:
        async with (await self._volume.opened()).uploads.writer(tree, upload) as writer:
            yield writer

    async def sweep(self) -> None:
        """Forget uploads that have expired, where somebody has used the volume at all."""
        if self._volume.is_open:
            await (await self._volume.opened()).uploads.sweep()
