"""Where things are in a volume of directories, and who may change a tree meanwhile. For `directories`, `arranging` and `quotas`.

    <root>/trees/<tree>/files/     the tree: what listings show and kernels mount
    <root>/trees/<tree>/uploads/   files that arrive in pieces, see `partials`
    <root>/trees/<tree>/staging/   files and copies on their way in, directories on their way out
    <root>/trees/<tree>/scope      the quota scope that the tree belongs to, and which request said so; absent if to none
    <root>/removed/                trees on their way out
    <root>/scopes/<scope>/         what `scopes` keeps of a quota scope

Nothing is reached by a path text: every access walks down from the root.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from quarterdeck.storage_proxy import errors, model
from quarterdeck.storage_proxy.model import TreePath
from quarterdeck.storage_proxy.volumes import walk

TREES = "trees"
REMOVED = "removed"
FILES = "files"
UPLOADS = "uploads"
STAGING = "staging"
SCOPE = "scope"
_NEW_SCOPE = f"{SCOPE}.new"
_SCOPE_BYTES_MAX = 256
_WRITE = os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class Places:
    """The root of a volume. It is opened anew for each access, so that a file system mounted there meanwhile is seen."""

    def __init__(self, path: Path) -> None:
        """Use the directory, which is made if missing."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path.resolve()
        for name in (TREES, REMOVED):
            with self.at(name, make=True):
                pass

    @contextlib.contextmanager
    def at(self, *names: str, make: bool = False) -> Iterator[int]:
        """Give a directory below the root; `make` makes what is missing on the way. Raises `FileNotFound`."""
        root = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with walk.directory(root, names, make=make) as directory:
                yield directory
        finally:
            os.close(root)

    @contextlib.contextmanager
    def part(self, tree: str, part: str, *, make: bool = False) -> Iterator[int]:
        """Give a part of a tree: `FILES`, `UPLOADS` or `STAGING`; `make` makes it if the tree is there. Raises `TreeNotFound`."""
        with contextlib.ExitStack() as stack:
            try:
                top = stack.enter_context(self.at(TREES, model.tree_id(tree)))
                descriptor = stack.enter_context(walk.directory(top, (part,), make=make))
            except errors.FileNotFound:
                raise errors.TreeNotFound from None
            yield descriptor

    def require(self, tree: str) -> None:
        """Raise `TreeNotFound` unless a tree is there."""
        with self.part(tree, FILES):
            pass

    def changed(self, tree: str) -> contextlib.AbstractContextManager[int]:
        """Give the files of a tree, to change them for a moment: nobody takes a snapshot meanwhile. Raises `TreeNotFound`."""
        return self._held(tree, fcntl.LOCK_SH)

    def still(self, tree: str) -> contextlib.AbstractContextManager[int]:
        """Give the files of a tree while no storage-proxy changes them. Raises `TreeNotFound`."""
        return self._held(tree, fcntl.LOCK_EX)

    def scope_of(self, tree: str) -> str | None:
        """Return the quota scope of a tree, None if it has none or is not there."""
        try:
            with self.at(TREES, model.tree_id(tree)) as place:
                return noted_scope(place)[0]
        except errors.FileNotFound:
            return None

    @contextlib.contextmanager
    def _held(self, tree: str, how: int) -> Iterator[int]:
        with self.part(tree, FILES) as files:
            fcntl.flock(files, how)
            yield files


def note_scope(place: int, scope: str, turn: int = 0) -> None:
    """Write into the directory of a tree which scope it belongs to, by which request: a crash leaves the old note or the new one."""
    file = os.open(_NEW_SCOPE, _WRITE, 0o600, dir_fd=place)
    try:
        os.write(file, f"{scope} {turn}".encode())
        os.fsync(file)
    finally:
        os.close(file)
    os.rename(_NEW_SCOPE, SCOPE, src_dir_fd=place, dst_dir_fd=place)
    os.fsync(place)


def noted_scope(place: int) -> tuple[str | None, int]:
    """Return which scope a tree belongs to by the note in its directory, and by which request. Raises `FileNotFound`."""
    file = walk.open_file(place, SCOPE)
    try:
        scope, _, turn = os.read(file, _SCOPE_BYTES_MAX).decode().partition(" ")
    finally:
        os.close(file)
    return scope or None, int(turn or 0)


def missing(top: int, path: TreePath) -> int:
    """Count what is to be made for something to be at a path: the directories above it that are not there, and itself."""
    with contextlib.ExitStack() as stack:
        below = top
        for depth, name in enumerate(path[:-1]):
            try:
                below = stack.enter_context(walk.directory(below, (name,)))
            except errors.FileNotFound:
                return len(path) - depth
        return 1 if walk.look(below, path[-1]) is None else 0


def require_entry(top: int, path: TreePath, entries_max: int) -> None:
    """Raise `TooManyEntries` if something new at a path, or the first directory made for it, finds its directory full."""
    with contextlib.ExitStack() as stack:
        below = top
        for name in path[:-1]:
            try:
                below = stack.enter_context(walk.directory(below, (name,)))
            except errors.FileNotFound:
                break
        count = len(walk.some(below, entries_max)) + 1
    if count > entries_max:
        raise errors.TooManyEntries(f"at most {entries_max} entries", field="path")
