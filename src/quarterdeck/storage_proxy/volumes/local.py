"""A volume of directories on this machine: the port of `quarterdeck.storage_proxy.ports` over `directories`.

Work is done in threads of the volume's own, so that a slow disk stops nothing else.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from quarterdeck.base.clock import Clock
from quarterdeck.storage_proxy import ports
from quarterdeck.storage_proxy.globs import Glob
from quarterdeck.storage_proxy.model import Limits, Span, TreePath
from quarterdeck.storage_proxy.volumes import (
    arranging,
    directories,
    quotas,
    rescoping,
    uploads,
)
from quarterdeck.storage_proxy.volumes.places import Places
from quarterdeck.storage_proxy.volumes.threads import Threads
from quarterdeck.wire.folders import FileEntry
from quarterdeck.wire.trees import Found, QuotaLimits, QuotaView

_BLOCK_BYTES = 1 << 20
_SMALL_BYTES_MAX = 64 * 1024
"""What comes in as a whole before it is written, by one call."""


class LocalVolume:
    """Trees below one root directory. Close it when done."""

    abilities = frozenset(
        {ports.ABILITY_MOUNT, ports.ABILITY_QUOTA, ports.ABILITY_ATOMIC, ports.ABILITY_RESUME}
    )

    def __init__(self, root: Path, clock: Clock, limits: Limits) -> None:
        """Use `root`, which is made if missing."""
        self._places = Places(root)
        self._quotas = quotas.Quotas(self._places, clock)
        self._directories = directories.Directories(self._places, self._quotas, clock, limits)
        self._arranging = arranging.Arranging(
            self._places, self._quotas, self._directories.room, clock, limits
        )
        self._threads = Threads()
        self.uploads = uploads.LocalUploads(self._directories, self._threads, clock, limits)

    def close(self) -> None:
        """Wait for the work that is under way; begin nothing more."""
        self._threads.close()

    async def create_tree(self, tree: str, scope: str | None = None) -> None:
        """Make an empty tree in a quota scope; nothing happens if it is there."""
        await self._threads.run(self._directories.create_tree, tree, scope)

    async def delete_tree(self, tree: str) -> None:
        """Remove the tree with all its files; nothing happens if it is gone."""
        await self._threads.run_long(self._directories.delete_tree, tree)

    async def rescope(self, tree: str, scope: str, turn: int, *, must_fit: bool) -> None:
        """Let a tree be another quota scope's."""
        await self._threads.run_long(
            rescoping.rescope,
            *(self._places, self._quotas, tree, scope),
            turn=turn,
            must_fit=must_fit,
        )

    async def mount_path(self, tree: str) -> str:
        """Return the absolute path of the tree's root directory. Raises `TreeNotFound`."""
        return await self._threads.run(self._directories.mount_path, tree)

    async def entries(self, tree: str, path: TreePath, *, recursive: bool) -> list[FileEntry]:
        """List what is in a directory, sorted by path; a file lists itself."""
        run = self._threads.run_long if recursive else self._threads.run
        return await run(self._directories.entries, tree, path, recursive=recursive)

    async def delete(self, tree: str, path: TreePath) -> None:
        """Remove a file, or a directory with all in it."""
        await self._threads.run(self._directories.delete, tree, path)

    async def put(
        self,
        tree: str,
        path: TreePath,
        blocks: AsyncIterator[ports.Block],
        size: int | None = None,
    ) -> FileEntry:
        """Take in a file. It is visible when it is whole and durable."""
        if size is not None and size <= _SMALL_BYTES_MAX:
            content = b"".join([block async for block in blocks])
            return await self.begin_put(tree, path, content)
        staged = await self._threads.run(self._directories.stage, tree, path, size or 0)
        with contextlib.closing(staged):
            async for block in blocks:
                await self._threads.run(staged.write, block)
            return await self._threads.run(
                self._directories.publish, tree, path, staged, staged.account
            )

    async def stat(self, tree: str, path: TreePath) -> FileEntry:
        """Tell what is at a path."""
        return await self._threads.run(self._arranging.stat, tree, path)

    async def mkdir(self, tree: str, path: TreePath) -> FileEntry:
        """Make a directory and those above it; nothing happens if it is there."""
        return await self._threads.run(self._arranging.mkdir, tree, path)

    async def move(self, tree: str, source: TreePath, target: TreePath) -> FileEntry:
        """Give a file or directory another path."""
        run = self._threads.run_long if len(target) > len(source) else self._threads.run
        return await run(self._arranging.move, tree, source, target)

    async def copy(self, tree: str, source: TreePath, target: TreePath) -> FileEntry:
        """Copy a file, or a directory with all in it."""
        return await self._threads.run_long(self._arranging.copy, tree, source, target)

    async def search(self, tree: str, path: TreePath, glob: Glob, limit: int) -> Found:
        """Find what matches below a directory."""
        return await self._threads.run_long(self._arranging.search, tree, path, glob, limit)

    async def clone_tree(self, tree: str, clone: str, scope: str | None) -> None:
        """Make a new tree with a copy of all that is in another; nothing happens if the new one is there."""
        await self._threads.run_long(self._arranging.clone_tree, tree, clone, scope)

    async def limit(self, scope: str, limits: QuotaLimits) -> None:
        """Set how much the trees of a scope may hold."""
        await self._threads.run(self._quotas.limit, scope, limits)

    async def quota(self, scope: str) -> QuotaView:
        """Return limits and usage of a scope."""
        return await self._threads.run(self._quotas.view, scope)

    def at_hand(self, tree: str, path: TreePath) -> ports.AtHand | None:
        """Return a small file if the kernel has it in memory."""
        return self._directories.cached(tree, path)

    def begin_put(self, tree: str, path: TreePath, content: bytes) -> asyncio.Future[FileEntry]:
        """Have a file written whose content is there."""
        return self._threads.begun(self._directories.put, tree, path, content)

    @contextlib.asynccontextmanager
    async def open(self, tree: str, path: TreePath) -> AsyncIterator[ports.Source]:
        """Open a file."""
        if (small := self.at_hand(tree, path)) is not None:
            yield small
            return
        opened = await self._threads.run(self._directories.open, tree, path)
        with opened.file:
            yield _Source(self._threads, opened)


@dataclass(frozen=True)
class _Source:
    threads: Threads
    opened: directories.Opened

    @property
    def entry(self) -> FileEntry:
        return self.opened.entry

    @property
    def etag(self) -> str:
        return self.opened.etag

    @property
    def file(self) -> BinaryIO:
        return self.opened.file

    async def blocks(self, stretch: Span) -> AsyncIterator[bytes]:
        offset, end = stretch.start, stretch.start + stretch.length
        if self.opened.content is not None:
            yield self.opened.content[offset:end]
            return
        while offset < end:
            wanted = min(_BLOCK_BYTES, end - offset)
            block = await self.threads.run(os.pread, self.file.fileno(), wanted, offset)
            if not block:
                return
            offset += len(block)
            yield block
