"""A volume that is opened when it is first used: a storage-proxy starts without the drivers that this takes to import.

Implements the port of `quarterdeck.storage_proxy.ports` for volumes without further abilities.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from quarterdeck.storage_proxy import ports
from quarterdeck.storage_proxy.globs import Glob
from quarterdeck.storage_proxy.model import TreePath
from quarterdeck.wire.folders import FileEntry
from quarterdeck.wire.trees import Found

Opener = Callable[[], Awaitable[AbstractAsyncContextManager[ports.Volume]]]


class LazyVolume:
    """Stands for a volume until somebody needs it. Close it when done."""

    abilities: frozenset[str] = frozenset()

    def __init__(self, opener: Opener) -> None:
        """`opener` is awaited once; it returns what is entered then."""
        self._opener = opener
        self._stack = AsyncExitStack()
        self._lock = asyncio.Lock()
        self._volume: ports.Volume | None = None

    async def aclose(self) -> None:
        """Close the volume if it was opened."""
        await self._stack.aclose()

    async def create_tree(self, tree: str) -> None:
        """Make an empty tree; nothing happens if it is there."""
        await (await self._opened()).create_tree(tree)

    async def delete_tree(self, tree: str) -> None:
        """Remove the tree with all its files; nothing happens if it is gone."""
        await (await self._opened()).delete_tree(tree)

    async def entries(self, tree: str, path: TreePath, *, recursive: bool) -> list[FileEntry]:
        """List what is in a directory, sorted by path; a file lists itself."""
        return await (await self._opened()).entries(tree, path, recursive=recursive)

    async def put(self, tree: str, path: TreePath, blocks: AsyncIterator[bytes]) -> FileEntry:
        """Take in a file."""
        return await (await self._opened()).put(tree, path, blocks)

    @contextlib.asynccontextmanager
    async def open(self, tree: str, path: TreePath) -> AsyncIterator[ports.Source]:
        """Open a file."""
        async with (await self._opened()).open(tree, path) as source:
            yield source

    async def delete(self, tree: str, path: TreePath) -> None:
        """Remove a file, or a directory with all in it."""
        await (await self._opened()).delete(tree, path)

    async def stat(self, tree: str, path: TreePath) -> FileEntry:
        """Tell what is at a path."""
        return await (await self._opened()).stat(tree, path)

    async def mkdir(self, tree: str, path: TreePath) -> FileEntry:
        """Make a directory and those above it; nothing happens if it is there."""
        return await (await self._opened()).mkdir(tree, path)

    async def move(self, tree: str, source: TreePath, target: TreePath) -> FileEntry:
        """Give a file or directory another path."""
        return await (await self._opened()).move(tree, source, target)

    async def copy(self, tree: str, source: TreePath, target: TreePath) -> FileEntry:
        """Copy a file, or a directory with all in it."""
        return await (await self._opened()).copy(tree, source, target)

    async def search(self, tree: str, path: TreePath, glob: Glob, limit: int) -> Found:
        """Find what matches below a directory."""
        return await (await self._opened()).search(tree, path, glob, limit)

    async def clone_tree(self, tree: str, clone: str, scope: str | None) -> None:
        """Make a new tree with a copy of all that is in another; nothing happens if the new one is there."""
        await (await self._opened()).clone_tree(tree, clone, scope)

    async def _opened(self) -> ports.Volume:
        async with self._lock:
            if self._volume is None:
                opening = await self._opener()
                self._volume = await self._stack.enter_async_context(opening)
            return self._volume
