"""A tree in memory, and the rules of what may be where in it. For `storage` and `arranged`."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from quarterdeck.storage_proxy import errors, model
from quarterdeck.storage_proxy.model import Limits, TreePath
from quarterdeck.wire.folders import FileEntry, FileKind


@dataclass(frozen=True)
class MemoryFile:
    """A file."""

    content: bytes
    modified_at: datetime


@dataclass
class MemoryTree:
    """Files and directories by path."""

    files: dict[TreePath, MemoryFile] = field(default_factory=dict)
    directories: dict[TreePath, datetime] = field(default_factory=dict)


def require_place(tree: MemoryTree, path: TreePath) -> None:
    """Raise unless a file may be at a path."""
    if path in tree.directories:
        raise errors.IsDirectory(field="path")
    if any(path[:depth] in tree.files for depth in range(1, len(path))):
        raise errors.NotDirectory(field="path")


def require_directories(tree: MemoryTree, path: TreePath) -> None:
    """Raise unless the path leads over directories only."""
    for depth in range(1, len(path) + 1):
        if path[:depth] in tree.files:
            raise errors.NotDirectory(field="path")
        if path[:depth] not in tree.directories:
            raise errors.FileNotFound(field="path")


def require_room(tree: MemoryTree, path: TreePath, limits: Limits) -> None:
    """Raise `TooManyEntries` if the deepest directory that is there takes no more."""
    above = path[:-1]
    while above and above not in tree.directories:
        above = above[:-1]
    siblings = [
        place
        for place in (*tree.files, *tree.directories)
        if len(place) == len(above) + 1 and place[:-1] == above
    ]
    bound(len(siblings) + 1, limits.directory_entries_max)


def make(tree: MemoryTree, path: TreePath, now: datetime) -> None:
    """Make a directory and those above it."""
    for depth in range(1, len(path) + 1):
        tree.directories.setdefault(path[:depth], now)


def below(tree: MemoryTree, path: TreePath) -> list[TreePath]:
    """Return what is below a path, sorted."""
    places = (*tree.files, *tree.directories)
    return sorted(p for p in places if len(p) > len(path) and p[: len(path)] == path)


def remove(tree: MemoryTree, path: TreePath) -> None:
    """Remove what is at a path and below it."""
    for place in [path, *below(tree, path)]:
        tree.files.pop(place, None)
        tree.directories.pop(place, None)


def entry(tree: MemoryTree, path: TreePath) -> FileEntry:
    """Return what a listing shows. Raises `FileNotFound`."""
    if file := tree.files.get(path):
        return FileEntry(model.render(path), FileKind.FILE, len(file.content), file.modified_at)
    if path and path not in tree.directories:
        raise errors.FileNotFound(field="path")
    made = tree.directories.get(path, datetime.fromtimestamp(0, UTC))
    return FileEntry(model.render(path), FileKind.DIRECTORY, 0, made)


def bound(count: int, limit: int) -> None:
    """Raise `TooManyEntries` when the count is over the limit."""
    if count > limit:
        raise errors.TooManyEntries(f"at most {limit} entries", field="path")
