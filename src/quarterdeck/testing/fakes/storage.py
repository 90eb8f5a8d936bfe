"""A volume of the storage-proxy in memory: the port of `quarterdeck.storage_proxy.ports` without a disk."""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from quarterdeck.base.clock import Clock
from quarterdeck.storage_proxy import errors, model, ports
from quarterdeck.storage_proxy.model import Limits, Span, TreePath
from quarterdeck.testing.fakes import memory
from quarterdeck.testing.fakes.arranged import FakeArranged
from quarterdeck.testing.fakes.memory import MemoryFile, MemoryTree
from quarterdeck.wire.folders import FileEntry


class FakeVolume(FakeArranged):
    """Trees in memory. `room_bytes` is what it can hold: more is `StorageFull`."""

    abilities: frozenset[str] = frozenset()

    def __init__(self, clock: Clock, limits: Limits, room_bytes: int = 1 << 30) -> None:
        super().__init__(clock, limits)
        self._room_bytes = room_bytes

    def plant(self, tree: str, path: TreePath, content: bytes) -> None:
        """Have a file in a directory that is there, past all limits, as if a kernel had written it."""
        self._tree(tree).files[path] = MemoryFile(content, self._clock.now())

    async def create_tree(self, tree: str) -> None:
        """Make an empty tree; nothing happens if it is there."""
        self._trees.setdefault(model.tree_id(tree), MemoryTree())

    async def delete_tree(self, tree: str) -> None:
        """Remove the tree with all its files; nothing happens if it is gone."""
        self._trees.pop(model.tree_id(tree), None)

    async def entries(self, tree: str, path: TreePath, *, recursive: bool) -> list[FileEntry]:
        """List what is in a directory, sorted by path; a file lists itself."""
        there = self._tree(tree)
        memory.require_directories(there, path[:-1])
        if path in there.files:
            return [memory.entry(there, path)]
        if path and path not in there.directories:
            raise errors.FileNotFound(field="path")
        found = [
            place
            for place in (*there.files, *there.directories)
            if place[: len(path)] == path
            and len(place) > len(path)
            and (recursive or len(place) == len(path) + 1)
        ]
        memory.bound(len(found), self._limits.listing_entries_max)
        return sorted(
            (memory.entry(there, place) for place in found), key=lambda entry: entry.path
        )

    async def put(
        self,
        tree: str,
        path: TreePath,
        blocks: AsyncIterator[ports.Block],
        size: int | None = None,
    ) -> FileEntry:
        """Take in a file. It is visible when it is whole."""
        memory.require_place(self._tree(tree), path)
        self._require_room(size or 0)
        content = bytearray()
        async for block in blocks:
            content += block
            self._require_room(len(content))
        return self._publish(tree, path, bytes(content))

    @contextlib.asynccontextmanager
    async def open(self, tree: str, path: TreePath) -> AsyncIterator[ports.Source]:
        """Open a file."""
        there = self._tree(tree)
        memory.require_directories(there, path[:-1])
        if path in there.directories:
            raise errors.IsDirectory(field="path")
        if path not in there.files:
            raise errors.FileNotFound(field="path")
        content = there.files[path].content
        yield _Source(memory.entry(there, path), hashlib.sha256(content).hexdigest(), content)

    async def delete(self, tree: str, path: TreePath) -> None:
        """Remove a file, or a directory with all in it."""
        there = self._tree(tree)
        memory.require_directories(there, path[:-1])
        memory.entry(there, path)
        memory.remove(there, path)

    def _publish(self, tree: str, path: TreePath, content: bytes) -> FileEntry:
        there = self._tree(tree)
        memory.require_place(there, path)
        if path not in there.files:
            memory.require_room(there, path, self._limits)
        now = self._clock.now()
        memory.make(there, path[:-1], now)
        there.files[path] = MemoryFile(content, now)
        return memory.entry(there, path)

    def _require_room(self, more: int) -> None:
        held = sum(
            len(file.content) for tree in self._trees.values() for file in tree.files.values()
        )
        if held + more > self._room_bytes:
            raise errors.StorageFull


@dataclass(frozen=True)
class _Source:
    entry: FileEntry
    etag: str
    content: bytes

    async def blocks(self, stretch: Span) -> AsyncIterator[bytes]:
        if stretch.length:
            yield self.content[stretch.start : stretch.start + stretch.length]
