"""What may be done in trees in memory beyond files: the half of `quarterdeck.testing.fakes.storage` that moves, copies and finds."""

from quarterdeck.base.clock import Clock
from quarterdeck.storage_proxy import errors, model
from quarterdeck.storage_proxy.globs import Glob
from quarterdeck.storage_proxy.model import Limits, TreePath
from quarterdeck.testing.fakes import memory
from quarterdeck.testing.fakes.memory import MemoryTree
from quarterdeck.wire.folders import FileEntry
from quarterdeck.wire.trees import Found


class FakeArranged:
    """Trees in memory, arranged."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._trees: dict[str, MemoryTree] = {}

    async def stat(self, tree: str, path: TreePath) -> FileEntry:
        """Tell what is at a path."""
        there = self._tree(tree)
        memory.require_directories(there, path[:-1])
        return memory.entry(there, path)

    async def mkdir(self, tree: str, path: TreePath) -> FileEntry:
        """Make a directory and those above it; nothing happens if it is there."""
        there = self._tree(tree)
        if any(path[:depth] in there.files for depth in range(1, len(path) + 1)):
            raise errors.NotDirectory(field="path")
        if path and path not in there.directories:
            memory.require_room(there, path, self._limits)
        memory.make(there, path, self._clock.now())
        return memory.entry(there, path)

    async def move(self, tree: str, source: TreePath, target: TreePath) -> FileEntry:
        """Give a file or directory another path."""
        moved = await self.copy(tree, source, target)
        memory.remove(self._tree(tree), source)
        return moved

    async def copy(self, tree: str, source: TreePath, target: TreePath) -> FileEntry:
        """Copy a file, or a directory with all in it."""
        there = self._tree(tree)
        if not source or not target or (target[: len(source)] == source and target != source):
            raise errors.PathRefused("nothing can be put into itself", field="target")
        memory.require_directories(there, source[:-1])
        if source not in there.files and source not in there.directories:
            raise errors.FileNotFound(field="source")
        if any(target[:depth] in there.files for depth in range(1, len(target))):
            raise errors.NotDirectory(field="path")
        if target in there.files or target in there.directories:
            raise errors.PathTaken(field="target")
        memory.require_room(there, target, self._limits)
        taken = memory.below(there, source)
        memory.bound(len(taken), self._limits.copy_entries_max)
        if any(len(target) + len(place) - len(source) > self._limits.depth_max for place in taken):
            raise errors.PathTooLong(field="target")
        memory.make(there, target[:-1], self._clock.now())
        for place in [source, *taken]:
            new = target + place[len(source) :]
            if place in there.files:
                there.files[new] = there.files[place]
            else:
                there.directories[new] = there.directories[place]
        return memory.entry(there, target)

    async def search(self, tree: str, path: TreePath, glob: Glob, limit: int) -> Found:
        """Find what matches below a directory."""
        there = self._tree(tree)
        memory.require_directories(there, path)
        seen = memory.below(there, path)
        memory.bound(len(seen), self._limits.search_entries_max)
        found = [memory.entry(there, p) for p in seen if glob.matches(p[len(path) :])]
        return Found(found[:limit], len(found) > limit)

    async def clone_tree(self, tree: str, clone: str, scope: str | None) -> None:
        """Make a new tree with a copy of all that is in another; nothing happens if the new one is there."""
        del scope
        there = self._tree(tree)
        memory.bound(len(there.files) + len(there.directories), self._limits.copy_entries_max)
        copied = MemoryTree(dict(there.files), dict(there.directories))
        self._trees.setdefault(model.tree_id(clone), copied)

    def _tree(self, tree: str) -> MemoryTree:
        if (there := self._trees.get(model.tree_id(tree))) is None:
            raise errors.TreeNotFound
        return there
