"""Trees in a bucket, rearranged, searched and cloned: the port `Arranged` of `quarterdeck.storage_proxy.ports`. For `s3`.

An object store renames nothing: what is moved is copied, each file whole, and then removed at its old place, unless somebody wrote there
meanwhile. Whoever looks meanwhile sees both. A copy that fails leaves nothing, a clone what goes with the removal of its tree.
"""

import contextlib
from collections.abc import Sequence

from quarterdeck.infra.object_store import Object
from quarterdeck.storage_proxy import errors, model
from quarterdeck.storage_proxy.globs import Glob
from quarterdeck.storage_proxy.model import TreePath
from quarterdeck.storage_proxy.volumes import s3_copies, s3_trees
from quarterdeck.storage_proxy.volumes.s3_trees import S3Trees
from quarterdeck.wire.folders import FileEntry, FileKind
from quarterdeck.wire.trees import Found


class S3Arranging(S3Trees):
    """What is done to trees but for the content of files."""

    async def stat(self, tree: str, path: TreePath) -> FileEntry:
        """Tell what is at a path."""
        await self._require_tree(tree)
        if not path:
            return s3_trees.directory("")
        if found := await self._store.head(s3_trees.key(tree, path)):
            return s3_trees.file(tree, found)
        await self._require_directories(tree, path[:-1])
        if not await self._is_directory(tree, path):
            raise errors.FileNotFound(field="path")
        return s3_trees.directory(model.render(path))

    async def mkdir(self, tree: str, path: TreePath) -> FileEntry:
        """Make a directory and those above it; nothing happens if it is there."""
        await self._require_tree(tree)
        await self._require_directories(tree, path)
        if path and not await self._is_directory(tree, path):
            await self._require_entry(tree, path)
            mark = s3_trees.mark(tree, path)
            await self._store.put(mark, s3_trees.nothing())
            if not await self._is_there(tree):
                await self._store.delete(mark)
                raise errors.TreeNotFound
        return s3_trees.directory(model.render(path))

    async def move(self, tree: str, source: TreePath, target: TreePath) -> FileEntry:
        """Give a file or directory another path: a copy, then the removal of the old one."""
        moved, copied = await self._copied(tree, source, target)
        for item in copied:
            await self._store.delete_version(item)
        return moved

    async def copy(self, tree: str, source: TreePath, target: TreePath) -> FileEntry:
        """Copy a file, or a directory with all in it; each file is of one version."""
        copied, _ = await self._copied(tree, source, target)
        return copied

    async def search(self, tree: str, path: TreePath, glob: Glob, limit: int) -> Found:
        """Find what matches below a directory."""
        if (await self.stat(tree, path)).kind is not FileKind.DIRECTORY:
            raise errors.NotDirectory(field="path")
        seen: set[str] = set()
        found: list[FileEntry] = []
        async for entry in self._below(tree, path, recursive=True):
            if entry.path in seen:
                continue
            seen.add(entry.path)
            s3_trees.bound(len(seen), self._limits.search_entries_max)
            if glob.matches(tuple(entry.path.split("/"))[len(path) :]):
                found.append(entry)
            if len(found) > limit:
                break
        return Found(found[:limit], len(found) > limit)

    async def clone_tree(self, tree: str, clone: str, scope: str | None) -> None:
        """Make a new tree with a copy of all that is in another; it is there when it is complete. Nothing is counted."""
        del scope
        await self._require_tree(tree)
        if await self._store.head(s3_trees.marker(clone)):
            return
        start, new_start = s3_trees.key(tree, ()), s3_trees.key(clone, ())
        await self._store.delete_prefix(new_start)
        copies = s3_copies.Copies(self._store, start, new_start, replace=True)
        copied = await copies.make(await self._taken(start))
        await self._require_tree(tree)
        made = {item.key for item in await self._taken(new_start)}
        if not made.issuperset(map(copies.place, copied)):
            raise errors.StorageUnavailable("the copy was removed while it was made")
        await self._store.put(s3_trees.marker(clone), s3_trees.nothing())

    async def _copied(
        self, tree: str, source: TreePath, target: TreePath
    ) -> tuple[FileEntry, Sequence[Object]]:
        """Copy; return the copy's entry, and what was copied, in the versions that were."""
        if not source or not target:
            raise errors.PathRefused("the root of a tree stays where it is", field="path")
        if target[: len(source)] == source and target != source:
            raise errors.PathRefused("nothing can be put into itself", field="target")
        await self._require_tree(tree)
        taken = await self._source(tree, source)
        await self._require_free(tree, target)
        start, new_start = s3_trees.key(tree, source), s3_trees.key(tree, target)
        self._require_depth(taken, start, target)
        copies = s3_copies.Copies(self._store, start, new_start, replace=False)
        copied = await copies.make(taken)
        if not await self._is_there(tree):
            await copies.remove()
            raise errors.TreeNotFound
        return await self.stat(tree, target), copied

    async def _source(self, tree: str, source: TreePath) -> Sequence[Object]:
        await self._require_directories(tree, source[:-1])
        if alone := await self._store.head(s3_trees.key(tree, source)):
            return [alone]
        if not (taken := await self._taken(s3_trees.prefix(tree, source))):
            raise errors.FileNotFound(field="source")
        return taken

    async def _taken(self, start: str) -> Sequence[Object]:
        taken: list[Object] = []
        async with contextlib.aclosing(self._store.below(start)) as found:
            async for item in found:
                taken.append(item)
                s3_trees.bound(len(taken), self._limits.copy_entries_max)
        return taken

    async def _require_free(self, tree: str, target: TreePath) -> None:
        await self._require_directories(tree, target[:-1])
        there = await self._store.head(s3_trees.key(tree, target))
        if there or await self._is_directory(tree, target):
            raise errors.PathTaken(field="target")
        await self._require_entry(tree, target)

    def _require_depth(self, taken: Sequence[Object], start: str, target: TreePath) -> None:
        for item in taken:
            below = item.key.removeprefix(start).count("/")
            levels = len(target) + below - s3_trees.is_mark(item)
            if levels > self._limits.depth_max:
                raise errors.PathTooLong(
                    f"a path has at most {self._limits.depth_max} parts", field="target"
                )
