"""Trees as directories, by calls that block: what `local` runs in threads, built on `walk` and `staging`.

    <root>/trees/<tree>/files/     the tree: what listings show and kernels mount
    <root>/trees/<tree>/uploads/   files that arrive in pieces, see `partials`
    <root>/trees/<tree>/staging/   files on their way in, directories on their way out
    <root>/removed/                trees on their way out

Nothing is reached by a path text: every access walks down from the open root.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from quarterdeck.base.clock import Clock
from quarterdeck.storage_proxy import errors, model
from quarterdeck.storage_proxy.model import Limits, TreePath
from quarterdeck.storage_proxy.volumes import listing, removal, staging, walk
from quarterdeck.wire.folders import FileEntry, FileKind

_TREES = "trees"
_REMOVED = "removed"
_FILES = "files"
_STAGING = "staging"
_SMALL_BYTES_MAX = 64 * 1024


@dataclass(frozen=True)
class Opened:
    """A file of a tree, open for reading; a small one has been read already."""

    entry: FileEntry
    etag: str
    file: BinaryIO
    content: bytes | None


class Publishable(Protocol):
    """A file out of sight that can be put in place."""

    def publish(self, parent: int, name: str) -> os.stat_result:
        """Make the content durable, then visible as `name` in `parent`; what was there is replaced."""
        ...


class Directories:
    """Trees below one root directory."""

    def __init__(self, root: Path, clock: Clock, limits: Limits) -> None:
        """Use `root`, which is made if missing; trees whose removal was cut short are removed, or stay if they resist."""
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = root.resolve()
        self._clock = clock
        self._limits = limits
        self._root = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        with walk.directory(self._root, (_TREES,), make=True):
            pass
        with walk.directory(self._root, (_REMOVED,), make=True) as removed:
            self._unnamed = staging.can_be_unnamed(removed)
            for name in walk.names(removed):
                removal.try_remove(removed, name)

    def close(self) -> None:
        """Let go of the root."""
        os.close(self._root)

    def create_tree(self, tree: str) -> None:
        """Make an empty tree; nothing happens if it is there."""
        for part in (_STAGING, _FILES):
            with walk.directory(self._root, (_TREES, model.tree_id(tree), part), make=True):
                pass

    def delete_tree(self, tree: str) -> None:
        """Remove the tree: out of reach at once, then file by file, also what an earlier attempt left. Nothing happens if it is gone."""
        with (
            walk.directory(self._root, (_TREES,)) as trees,
            walk.directory(self._root, (_REMOVED,)) as removed,
        ):
            prefix = f"{model.tree_id(tree)}-"
            with contextlib.suppress(FileNotFoundError):
                removal.move(trees, tree, removed, prefix + secrets.token_hex(6))
                os.fsync(trees)
            while left := [name for name in walk.names(removed) if name.startswith(prefix)]:
                for name in left:
                    removal.remove(removed, name)

    def trees(self) -> list[str]:
        """Return the ids of all trees."""
        with walk.directory(self._root, (_TREES,)) as trees:
            return walk.names(trees)

    def mount_path(self, tree: str) -> str:
        """Return the absolute path of the tree's root directory. Raises `TreeNotFound`."""
        with self.part(tree, _FILES):
            return str(self._path / _TREES / tree / _FILES)

    def entries(self, tree: str, path: TreePath, *, recursive: bool) -> list[FileEntry]:
        """List what is in a directory, sorted by path; a file lists itself."""
        with self.part(tree, _FILES) as top:
            if path and (alone := self._file(top, path)):
                return [alone]
            found = listing.Listing(self._limits, recursive=recursive)
            with walk.directory(top, path) as start:
                found.collect(start, path)
        return found.sorted()

    def stage(self, tree: str, path: TreePath) -> staging.Staged:
        """Begin a file that `publish` will put at `path`. Raises at once what can be told before its content is there."""
        self.require_place(tree, path)
        with self.part(tree, _STAGING) as stage:
            staging.sweep(stage, self._clock.now().timestamp())
            return staging.Staged(os.dup(stage), unnamed=self._unnamed)

    def publish(self, tree: str, path: TreePath, staged: Publishable) -> FileEntry:
        """Put a staged file at its path, with the directories above it. Raises `TreeNotFound` if the tree went meanwhile."""
        with (
            self.part(tree, _FILES) as top,
            walk.directory(top, path[:-1], make=True) as parent,
        ):
            if (kind := walk.look(parent, path[-1])) is None:
                listing.bound(len(walk.names(parent)) + 1, self._limits.directory_entries_max)
            else:
                walk.require_file(kind)
            try:
                return listing.entry(path, staged.publish(parent, path[-1]))
            except FileNotFoundError:
                raise errors.TreeNotFound from None

    def open(self, tree: str, path: TreePath) -> Opened:
        """Open a file. Raises `FileNotFound`, `IsDirectory`."""
        with self.part(tree, _FILES) as top, walk.directory(top, path[:-1]) as parent:
            file = os.fdopen(walk.open_file(parent, path[-1]), "rb", buffering=0)
        found = os.fstat(file.fileno())
        etag = f"{found.st_mtime_ns:x}-{found.st_size:x}-{found.st_ino:x}"
        content = file.read() if found.st_size <= _SMALL_BYTES_MAX else None
        return Opened(listing.entry(path, found), etag, file, content)

    def delete(self, tree: str, path: TreePath) -> None:
        """Remove a file, or a directory with all in it. Raises `FileNotFound`."""
        with self.part(tree, _FILES) as top, walk.directory(top, path[:-1]) as parent:
            kind = walk.look(parent, path[-1])
            if kind == FileKind.DIRECTORY:
                with self.part(tree, _STAGING) as stage:
                    staging.discard(stage, parent, path[-1])
                return
            if kind is not None:
                walk.require_file(kind)
            os.unlink(path[-1], dir_fd=parent)
            os.fsync(parent)

    @contextlib.contextmanager
    def part(self, tree: str, part: str, *, make: bool = False) -> Iterator[int]:
        """Give the descriptor of one of the directories of a tree; `make` makes it if the tree is there. Raises `TreeNotFound`."""
        with contextlib.ExitStack() as stack:
            try:
                names = (_TREES, model.tree_id(tree))
                top = stack.enter_context(walk.directory(self._root, names))
                descriptor = stack.enter_context(walk.directory(top, (part,), make=make))
            except errors.FileNotFound:
                raise errors.TreeNotFound from None
            yield descriptor

    def require_place(self, tree: str, path: TreePath) -> None:
        """Raise what can be told before a file's content is there: `TreeNotFound`, `IsDirectory`, `NotDirectory`."""
        try:
            with self.part(tree, _FILES) as top, walk.directory(top, path[:-1]) as parent:
                if (kind := walk.look(parent, path[-1])) is not None:
                    walk.require_file(kind)
        except errors.FileNotFound:
            return

    @staticmethod
    def _file(top: int, path: TreePath) -> FileEntry | None:
        with walk.directory(top, path[:-1]) as parent:
            shown = listing.entry(path, os.stat(path[-1], dir_fd=parent, follow_symlinks=False))
        return shown if shown.kind == FileKind.FILE else None
