"""Where things are in a volume of directories, and who may change a tree meanwhile. For `directories`, `arranging` and `quotas`.

    <root>/trees/<tree>/files/     the tree: what listings show and kernels mount
    <root>/trees/<tree>/uploads/   files that arrive in pieces, see `partials`
    <root>/trees/<tree>/staging/   files and copies on their way in, directories on their way out
    <root>/trees/<tree>/scope      the quota scope that the tree belongs to, and which request said so; absent if to none
    <root>/removed/                trees on their way out
    <root>/scopes/<scope>/         what `scopes` keeps of a quota scope

What users name is never reached by a path text: every access walks down from the files of a tree.
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
_WRITE = os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_BYTES_MAX = 4096
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class Places:
    """The root of a volume. It is opened anew for each access, so that a file system mounted there meanwhile is seen."""

    def __init__(self, path: Path) -> None:
        """Use the directory, which is made if missing."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path.resolve()
        self._root = str(self.path)
        for name in (TREES, REMOVED):
            with self.at(name, make=True):
                pass

    @contextlib.contextmanager
    def at(self, *names: str, make: bool = False) -> Iterator[int]:
        """Give a directory below the root, of those that only storage-proxies write in; `make` makes what is missing on the way.

        Raises `FileNotFound`.
        """
        descriptor = self._made(names) if make else self._opened(names)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def part(self, tree: str, part: str, *, make: bool = False) -> Iterator[int]:
        """Give a part of a tree: `FILES`, `UPLOADS` or `STAGING`; `make` makes it if the tree is there. Raises `TreeNotFound`."""
        names = (TREES, model.tree_id(tree))
        with contextlib.ExitStack() as stack:
            try:
                if make:
                    top = stack.enter_context(self.at(*names))
                    descriptor = stack.enter_context(walk.directory(top, (part,), make=True))
                else:
                    descriptor = stack.enter_context(self.at(*names, part))
            except errors.FileNotFound:
                raise errors.TreeNotFound from None
            yield descriptor

    def file(self, tree: str, path: TreePath) -> str:
        """Return where something is in the files of a tree, for who follows no link."""
        return "/".join((self._root, TREES, model.tree_id(tree), FILES, *path))

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
        found = self.read(TREES, model.tree_id(tree), SCOPE)
        return None if found is None else _noted(found)[0]

    def read(self, *names: str) -> bytes | None:
        """Return what a small file has that only storage-proxies write; None if it is not there."""
        try:
            file = os.open("/".join((self._root, *names)), _FILE)
        except FileNotFoundError:
            return None
        try:
            return os.read(file, _FILE_BYTES_MAX)
        finally:
            os.close(file)

    def _opened(self, names: tuple[str, ...]) -> int:
        try:
            return os.open("/".join((self._root, *names)), _DIRECTORY)
        except FileNotFoundError:
            raise errors.FileNotFound(field="path") from None

    def _made(self, names: tuple[str, ...]) -> int:
        root = self._opened(())
        try:
            with walk.directory(root, names, make=True) as directory:
                return os.dup(directory)
        finally:
            os.close(root)

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
        return _noted(os.read(file, _FILE_BYTES_MAX))
    finally:
        os.close(file)


def _noted(text: bytes) -> tuple[str | None, int]:
    scope, _, turn = text.decode().partition(" ")
    return scope or None, int(turn or 0)


def missing(top: int, path: TreePath) -> int:
    """Count what is to be made for something to be at a path: the directories above it that are not there, and itself."""
    with nearest(top, path) as (near, left):
        return 0 if left == 1 and walk.look(near, path[-1]) is not None else left


@contextlib.contextmanager
def nearest(top: int, path: TreePath) -> Iterator[tuple[int, int]]:
    """Give the last directory on the way to something that is there, and how many names of its path are below that."""
    with contextlib.ExitStack() as stack:
        near = top
        for depth, name in enumerate(path[:-1]):
            try:
                near = stack.enter_context(walk.directory(near, (name,)))
            except errors.FileNotFound:
                yield near, len(path) - depth
                return
        yield near, 1
