"""A volume of the storage-proxy in memory: the port of `quarterdeck.storage_proxy.ports` without a disk."""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime

from quarterdeck.base.clock import Clock
from quarterdeck.storage_proxy import errors, model, ports
from quarterdeck.storage_proxy.model import Limits, Span, TreePath
from quarterdeck.wire.folders import FileEntry, FileKind


@dataclass(frozen=True)
class _File:
    content: bytes
    modified_at: datetime


@dataclass
class _Tree:
    files: dict[TreePath, _File] = field(default_factory=dict)
    directories: dict[TreePath, datetime] = field(default_factory=dict)


class FakeVolume:
    """Trees in memory. `room_bytes` is what it can hold: more is `StorageFull`."""

    abilities: frozenset[str] = frozenset()

    def __init__(self, clock: Clock, limits: Limits, room_bytes: int = 1 << 30) -> None:
        self._clock = clock
        self._limits = limits
        self._room_bytes = room_bytes
        self._trees: dict[str, _Tree] = {}

    async def create_tree(self, tree: str) -> None:
        """Make an empty tree; nothing happens if it is there."""
        self._trees.setdefault(model.tree_id(tree), _Tree())

    async def delete_tree(self, tree: str) -> None:
        """Remove the tree with all its files; nothing happens if it is gone."""
        self._trees.pop(model.tree_id(tree), None)

    async def entries(self, tree: str, path: TreePath, *, recursive: bool) -> list[FileEntry]:
        """List what is in a directory, sorted by path; a file lists itself."""
        there = self._tree(tree)
        _require_directories(there, path[:-1])
        if path in there.files:
            return [_entry(there, path)]
        if path and path not in there.directories:
            raise errors.FileNotFound(field="path")
        found = [
            place
            for place in (*there.files, *there.directories)
            if place[: len(path)] == path
            and len(place) > len(path)
            and (recursive or len(place) == len(path) + 1)
        ]
        _bound(len(found), self._limits.listing_entries_max)
        return sorted((_entry(there, place) for place in found), key=lambda entry: entry.path)

    async def put(self, tree: str, path: TreePath, blocks: AsyncIterator[bytes]) -> FileEntry:
        """Take in a file. It is visible when it is whole."""
        _require_place(self._tree(tree), path)
        content = bytearray()
        async for block in blocks:
            content += block
            self._require_room(len(content))
        return self._publish(tree, path, bytes(content))

    @contextlib.asynccontextmanager
    async def open(self, tree: str, path: TreePath) -> AsyncIterator[ports.Source]:
        """Open a file."""
        there = self._tree(tree)
        _require_directories(there, path[:-1])
        if path in there.directories:
            raise errors.IsDirectory(field="path")
        if path not in there.files:
            raise errors.FileNotFound(field="path")
        content = there.files[path].content
        yield _Source(_entry(there, path), hashlib.sha256(content).hexdigest(), content)

    async def delete(self, tree: str, path: TreePath) -> None:
        """Remove a file, or a directory with all in it."""
        there = self._tree(tree)
        _require_directories(there, path[:-1])
        if there.files.pop(path, None):
            return
        if path not in there.directories:
            raise errors.FileNotFound(field="path")
        for kept in (there.files, there.directories):
            for place in [place for place in kept if place[: len(path)] == path]:
                del kept[place]

    def _publish(self, tree: str, path: TreePath, content: bytes) -> FileEntry:
        there = self._tree(tree)
        _require_place(there, path)
        siblings = [
            place for place in (*there.files, *there.directories) if place[:-1] == path[:-1]
        ]
        if path not in there.files:
            _bound(len(siblings) + 1, self._limits.directory_entries_max)
        now = self._clock.now()
        for depth in range(1, len(path)):
            there.directories.setdefault(path[:depth], now)
        there.files[path] = _File(content, now)
        return _entry(there, path)

    def _require_room(self, more: int) -> None:
        held = sum(
            len(file.content) for tree in self._trees.values() for file in tree.files.values()
        )
        if held + more > self._room_bytes:
            raise errors.StorageFull

    def _tree(self, tree: str) -> _Tree:
        if (there := self._trees.get(model.tree_id(tree))) is None:
            raise errors.TreeNotFound
        return there


@dataclass(frozen=True)
class _Source:
    entry: FileEntry
    etag: str
    content: bytes

    async def blocks(self, stretch: Span) -> AsyncIterator[bytes]:
        if stretch.length:
            yield self.content[stretch.start : stretch.start + stretch.length]


def _require_place(tree: _Tree, path: TreePath) -> None:
    if path in tree.directories:
        raise errors.IsDirectory(field="path")
    if any(path[:depth] in tree.files for depth in range(1, len(path))):
        raise errors.NotDirectory(field="path")


def _require_directories(tree: _Tree, path: TreePath) -> None:
    for depth in range(1, len(path) + 1):
        if path[:depth] in tree.files:
            raise errors.NotDirectory(field="path")
        if path[:depth] not in tree.directories:
            raise errors.FileNotFound(field="path")


def _entry(tree: _Tree, path: TreePath) -> FileEntry:
    if file := tree.files.get(path):
        return FileEntry(model.render(path), FileKind.FILE, len(file.content), file.modified_at)
    return FileEntry(model.render(path), FileKind.DIRECTORY, 0, tree.directories[path])


def _bound(count: int, limit: int) -> None:
    if count > limit:
        raise errors.TooManyEntries(f"at most {limit} entries", field="path")
