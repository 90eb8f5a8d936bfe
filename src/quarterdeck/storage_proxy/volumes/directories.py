"""Trees as directories, by calls that block: what `local` runs in threads, built on `places`, `walk`, `staging` and `quotas`."""

import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from quarterdeck.base.clock import Clock
from quarterdeck.storage_proxy import errors, model
from quarterdeck.storage_proxy.model import Limits, Span, TreePath
from quarterdeck.storage_proxy.volumes import cached, listing, places, removal, staging, walk
from quarterdeck.storage_proxy.volumes.places import Places
from quarterdeck.storage_proxy.volumes.quotas import Quotas, TreeAccount
from quarterdeck.storage_proxy.volumes.room import Room
from quarterdeck.storage_proxy.volumes.scopes import Amount
from quarterdeck.wire.folders import FileEntry, FileKind

_SMALL_BYTES_MAX = 64 * 1024
_NOTHING = os.stat_result((0,) * 10)


@dataclass(frozen=True)
class Opened:
    """A file of a tree, open for reading; a small one has been read already."""

    entry: FileEntry
    etag: str
    file: BinaryIO
    content: bytes | None


@dataclass(frozen=True)
class Small:
    """A small file of a tree, as it was at one moment."""

    entry: FileEntry
    etag: str
    content: bytes

    async def blocks(self, stretch: Span) -> AsyncIterator[bytes]:
        """Give the stretch."""
        yield self.content[stretch.start : stretch.start + stretch.length]


class Publishable(Protocol):
    """A file out of sight that can be put in place."""

    @property
    def is_counted(self) -> bool:
        """Whether what it holds counts already where it lies."""
        ...

    def publish(self, parent: int, name: str) -> os.stat_result:
        """Make the content durable, then visible as `name` in `parent`; what was there is replaced."""
        ...


class Directories:
    """Trees below one root directory."""

    def __init__(self, where: Places, quotas: Quotas, clock: Clock, limits: Limits) -> None:
        """Trees whose removal was cut short are removed, or stay if they resist."""
        self.places = where
        self.quotas = quotas
        self._clock = clock
        self._limits = limits
        self.room = Room(limits.directory_entries_max)
        self._cache = cached.Cache(where.path)
        self._sweeps = staging.Sweeps(clock)
        self._unnamed: bool | None = None
        with where.at(places.REMOVED) as removed:
            for name in walk.names(removed):
                removal.try_remove(removed, name)

    def create_tree(self, tree: str, scope: str | None = None) -> None:
        """Make an empty tree in a quota scope; nothing happens if it is there."""
        names = (places.TREES, model.tree_id(tree))
        with (
            contextlib.suppress(errors.TreeNotFound),
            self.places.part(tree, places.FILES),
        ):
            return
        with (
            self.quotas.entered(tree, scope),
            self.places.at(*names, make=True) as place,
        ):
            if scope is not None:
                places.note_scope(place, scope)
            for part in (places.STAGING, places.FILES):
                with walk.directory(place, (part,), make=True):
                    pass

    def delete_tree(self, tree: str) -> None:
        """Remove the tree: out of reach at once, then file by file, also what an earlier attempt left. Nothing happens if it is gone."""
        with (
            self.places.at(places.TREES) as trees,
            self.places.at(places.REMOVED) as removed,
        ):
            prefix = f"{model.tree_id(tree)}-"
            with contextlib.suppress(FileNotFoundError), self.quotas.left(tree):
                removal.move(trees, tree, removed, prefix + secrets.token_hex(6))
                os.fsync(trees)
            while left := [name for name in walk.names(removed) if name.startswith(prefix)]:
                for name in left:
                    removal.remove(removed, name)

    def trees(self) -> list[str]:
        """Return the ids of all trees."""
        with self.places.at(places.TREES) as trees:
            return walk.names(trees)

    def mount_path(self, tree: str) -> str:
        """Return the absolute path of the tree's root directory. Raises `TreeNotFound`."""
        with self.places.part(tree, places.FILES):
            return str(self.places.path / places.TREES / tree / places.FILES)

    def entries(self, tree: str, path: TreePath, *, recursive: bool) -> list[FileEntry]:
        """List what is in a directory, sorted by path; a file lists itself."""
        with self.places.part(tree, places.FILES) as top:
            if path and (alone := self._file(top, path)):
                return [alone]
            found = listing.Listing(self._limits, recursive=recursive)
            with walk.directory(top, path) as start:
                found.collect(start, path)
        return found.sorted()

    def put(self, tree: str, path: TreePath, content: bytes) -> FileEntry:
        """Write a file whose content is there. It waits for nobody, so that nothing is reserved."""
        with (
            self.quotas.spent(tree) as spend,
            self.places.changed(tree) as top,
            places.nearest(top, path) as (near, left),
        ):
            before = _replaced(near, path[-1]) if left == 1 else _NOTHING
            if made := 0 if before.st_nlink else left:
                self.room.take_in(near)
            spend(Amount(len(content), made), _growth(len(content), made, before))
            with self._begun(tree) as staged:
                staged.write(content)
                with _made(near, path[-left:-1]) as parent:
                    return listing.entry(path, _published(staged, parent, path[-1]))

    def stage(self, tree: str, path: TreePath, size: int) -> staging.Reserved:
        """Begin a file that `publish` will put at `path`. Raises at once what can be told before its content is there.

        There is room for `size` bytes; what is written beyond takes more.
        """
        account = self.quotas.account(tree)
        with contextlib.ExitStack() as stack:
            stack.callback(account.close)
            self.require_place(tree, path)
            with self.places.part(tree, places.FILES) as top:
                account.reserve(Amount(size, places.missing(top, path)))
            with self.places.part(tree, places.STAGING) as stage:
                self._sweep(stage)
                staged = staging.Reserved(
                    os.dup(stage), account, size, unnamed=self._is_unnamed(stage)
                )
            stack.pop_all()
            return staged

    def publish(
        self, tree: str, path: TreePath, staged: Publishable, account: TreeAccount
    ) -> FileEntry:
        """Put a staged file at its path, with the directories above it. Raises `TreeNotFound` if the tree went meanwhile, `QuotaExceeded`
        if it is another scope's by now, which has no room.
        """
        with account.settled() as settle, self.places.changed(tree) as top:
            if made := places.missing(top, path):
                self.room.take(top, path)
            with walk.directory(top, path[:-1], make=True) as parent:
                before = _replaced(parent, path[-1])
                found = _published(staged, parent, path[-1])
            if (growth := _growth(found.st_size, made, before)) is not None:
                there = Amount(found.st_size, 1) if staged.is_counted else Amount()
                settle(growth - there)
            return listing.entry(path, found)

    def cached(self, tree: str, path: TreePath) -> Small | None:
        """Return a small file, without waiting for anything; None: `open` tells more."""
        where = self.places.file(tree, path)
        if not path or (there := self._cache.read(where, _SMALL_BYTES_MAX)) is None:
            return None
        return Small(listing.entry(path, there.found), _etag(there.found), there.content)

    def open(self, tree: str, path: TreePath) -> Opened:
        """Open a file. Raises `FileNotFound`, `IsDirectory`."""
        with (
            self.places.part(tree, places.FILES) as top,
            walk.directory(top, path[:-1]) as parent,
        ):
            file = os.fdopen(walk.open_file(parent, path[-1]), "rb", buffering=0)
        found = os.fstat(file.fileno())
        content = file.read() if found.st_size <= _SMALL_BYTES_MAX else None
        return Opened(listing.entry(path, found), _etag(found), file, content)

    def delete(self, tree: str, path: TreePath) -> None:
        """Remove a file, or a directory with all in it. Raises `FileNotFound`."""
        with (
            self.quotas.settled(tree) as settle,
            self.places.changed(tree) as top,
            walk.directory(top, path[:-1]) as parent,
        ):
            kind = walk.look(parent, path[-1])
            if kind == FileKind.DIRECTORY:
                with self.places.part(tree, places.STAGING) as stage:
                    staging.discard(stage, parent, path[-1])
                return
            if kind is not None:
                walk.require_file(kind)
            found = os.stat(path[-1], dir_fd=parent, follow_symlinks=False)
            os.unlink(path[-1], dir_fd=parent)
            os.fsync(parent)
            if found.st_nlink == 1:
                settle(Amount(-found.st_size, -1))

    @contextlib.contextmanager
    def _begun(self, tree: str) -> Iterator[staging.Staged]:
        """Own a file that is written at once."""
        with self.places.part(tree, places.STAGING) as stage:
            if self._sweeps.are_due(tree):
                self._sweep(stage)
            with contextlib.closing(
                staging.Staged(stage, unnamed=self._is_unnamed(stage))
            ) as staged:
                yield staged

    def _sweep(self, stage: int) -> None:
        staging.sweep(stage, self._clock.now().timestamp())

    def _is_unnamed(self, stage: int) -> bool:
        if self._unnamed is None:
            self._unnamed = staging.can_be_unnamed(stage)
        return self._unnamed

    def require_place(self, tree: str, path: TreePath) -> None:
        """Raise what can be told before a file's content is there: `TreeNotFound`, `IsDirectory`, `NotDirectory`."""
        try:
            with (
                self.places.part(tree, places.FILES) as top,
                walk.directory(top, path[:-1]) as parent,
            ):
                if (kind := walk.look(parent, path[-1])) is not None:
                    walk.require_file(kind)
        except errors.FileNotFound:
            return

    @staticmethod
    def _file(top: int, path: TreePath) -> FileEntry | None:
        with walk.directory(top, path[:-1]) as parent:
            shown = listing.entry(path, os.stat(path[-1], dir_fd=parent, follow_symlinks=False))
        return shown if shown.kind == FileKind.FILE else None


def _made(near: int, names: TreePath) -> contextlib.AbstractContextManager[int]:
    """Give a directory below one that is open, which is made if missing; that one itself for no names."""
    return walk.directory(near, names, make=True) if names else contextlib.nullcontext(near)


def _replaced(parent: int, name: str) -> os.stat_result:
    """Return what a file will replace; one of no bytes and no names if nothing. Raises `IsDirectory`, `PathRefused`."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return _NOTHING
    walk.require_file(walk.kind(found.st_mode))
    return found


def _growth(size: int, made: int, before: os.stat_result) -> Amount | None:
    """Return how much more a tree holds with a file in the place of what was there; None if that has other names, too."""
    return Amount(size - before.st_size, made) if before.st_nlink <= 1 else None


def _published(staged: Publishable, parent: int, name: str) -> os.stat_result:
    try:
        return staged.publish(parent, name)
    except FileNotFoundError:
        raise errors.TreeNotFound from None


def _etag(found: os.stat_result) -> str:
    return f"{found.st_mtime_ns:x}-{found.st_size:x}-{found.st_ino:x}"
