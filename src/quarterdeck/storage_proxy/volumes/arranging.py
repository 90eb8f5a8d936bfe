"""Trees rearranged, searched and cloned, by calls that block: what `local` runs in threads, beside `directories`."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from quarterdeck.base.clock import Clock
from quarterdeck.storage_proxy import errors, model
from quarterdeck.storage_proxy.globs import Glob
from quarterdeck.storage_proxy.model import Limits, TreePath
from quarterdeck.storage_proxy.volumes import (
    copies,
    listing,
    places,
    removal,
    renaming,
    searching,
    staging,
    walk,
)
from quarterdeck.storage_proxy.volumes.places import Places
from quarterdeck.storage_proxy.volumes.quotas import Quotas, TreeAccount
from quarterdeck.storage_proxy.volumes.room import Room
from quarterdeck.storage_proxy.volumes.scopes import Amount
from quarterdeck.wire.folders import FileEntry, FileKind
from quarterdeck.wire.trees import Found


@dataclass(frozen=True)
class _Hidden:
    """A directory of our own, open, and where it is."""

    parent: int
    name: str
    directory: int


class Arranging:
    """What is done to trees but for the content of files. `Directories` has the rest."""

    def __init__(  # noqa: PLR0917 - what a volume has
        self, where: Places, quotas: Quotas, room: Room, clock: Clock, limits: Limits
    ) -> None:
        self._places = where
        self._quotas = quotas
        self._clock = clock
        self._limits = limits
        self._room = room

    def stat(self, tree: str, path: TreePath) -> FileEntry:
        """Tell what is at a path. Raises `FileNotFound`, `PathRefused`."""
        with self._places.part(tree, places.FILES) as top:
            if not path:
                return _root(top)
            with walk.directory(top, path[:-1]) as parent:
                shown = listing.entry(path, _seen(parent, path[-1]))
        if shown.kind == FileKind.OTHER:
            raise walk.refused()
        return shown

    def mkdir(self, tree: str, path: TreePath) -> FileEntry:
        """Make a directory and those above it; nothing happens if it is there."""
        with self._account(tree) as account:
            with self._places.part(tree, places.FILES) as top:
                self._require_room(top, path, account)
            with account.settled() as settle, self._places.changed(tree) as top:
                made = places.missing(top, path)
                with walk.directory(top, path, make=True) as directory:
                    settle(Amount(inodes=made))
                    return listing.entry(path, os.fstat(directory))

    def move(self, tree: str, source: TreePath, target: TreePath) -> FileEntry:
        """Give a file or directory another path, at once."""
        _require_outside(source, target)
        with self._account(tree) as account:
            with self._places.part(tree, places.FILES) as top:
                self._require_source(top, source, target)
                self._require_free(top, target)
                account.reserve(Amount(inodes=max(places.missing(top, target) - 1, 0)))
            with (
                account.settled() as settle,
                self._places.changed(tree) as top,
                walk.directory(top, source[:-1]) as old,
            ):
                made = places.missing(top, target) - 1
                with walk.directory(top, target[:-1], make=True) as new:
                    renaming.place(old, source[-1], new, target[-1])
                    os.fsync(old)
                    os.fsync(new)
                    settle(Amount(inodes=max(made, 0)))
                    return listing.entry(target, _seen(new, target[-1]))

    def copy(self, tree: str, source: TreePath, target: TreePath) -> FileEntry:
        """Copy a file, or a directory with all in it, as it is at one moment; it appears whole."""
        _require_outside(source, target)
        with self._account(tree) as account, self._hidden(tree) as hidden:
            snapshot = copies.Snapshot(self._limits, len(target))
            with self._places.still(tree) as top:
                self._require_source(top, source, target)
                self._require_free(top, target)
                with walk.directory(top, source[:-1]) as parent:
                    snapshot.take(parent, source[-1], hidden.directory)
                missing = places.missing(top, target) - 1
            account.reserve(snapshot.amount + Amount(inodes=missing))
            snapshot.fill(hidden.directory)
            with account.settled() as settle, self._places.changed(tree) as top:
                made = places.missing(top, target) - 1
                with walk.directory(top, target[:-1], make=True) as parent:
                    renaming.place(hidden.directory, source[-1], parent, target[-1])
                    os.fsync(parent)
                    settle(snapshot.amount + Amount(inodes=max(made, 0)))
                    return listing.entry(target, _seen(parent, target[-1]))

    def search(self, tree: str, path: TreePath, glob: Glob, limit: int) -> Found:
        """Find what matches below a directory."""
        search = searching.Search(self._limits, glob, limit)
        with (
            self._places.part(tree, places.FILES) as top,
            walk.directory(top, path) as start,
        ):
            return search.run(start, path)

    def clone_tree(self, tree: str, clone: str, scope: str | None) -> None:
        """Make a new tree with a copy of all that is in another at one moment; nothing happens if the new one is there."""
        with self._places.at(places.TREES) as trees:
            if walk.look(trees, model.tree_id(clone)) is not None:
                return
        with (
            contextlib.closing(self._quotas.account_of(scope)) as account,
            self._hidden(tree) as hidden,
        ):
            snapshot = copies.Snapshot(self._limits, 0)
            with self._places.still(tree), self._tree(tree) as parent:
                snapshot.take(parent, places.FILES, hidden.directory)
            account.reserve(snapshot.amount + Amount(inodes=-1))
            snapshot.fill(hidden.directory)
            os.mkdir(places.STAGING, 0o755, dir_fd=hidden.directory)
            if scope is not None:
                places.note_scope(hidden.directory, scope)
            with (
                self._quotas.entered(clone, scope),
                self._places.at(places.TREES) as trees,
                contextlib.suppress(errors.PathTaken),
            ):
                renaming.place(hidden.parent, hidden.name, trees, clone)
                os.fsync(trees)

    def _account(self, tree: str) -> contextlib.closing[TreeAccount]:
        return contextlib.closing(self._quotas.account(tree))

    @contextlib.contextmanager
    def _tree(self, tree: str) -> Iterator[int]:
        with self._places.at(places.TREES, model.tree_id(tree)) as directory:
            yield directory

    @contextlib.contextmanager
    def _hidden(self, tree: str) -> Iterator["_Hidden"]:
        """Give a directory that nobody sees, locked as long as we live; what is left in it is removed."""
        name = secrets.token_hex(12)
        with self._places.part(tree, places.STAGING) as stage:
            staging.sweep(stage, self._clock.now().timestamp())
            with staging.held(stage, name) as hidden:
                try:
                    yield _Hidden(stage, name, hidden)
                finally:
                    removal.try_remove(stage, name)

    def _require_room(self, top: int, path: TreePath, account: TreeAccount) -> None:
        """Raise what keeps a directory from being made. Raises `NotDirectory`, `PathRefused`, `TooManyEntries`, `QuotaExceeded`."""
        if (made := places.missing(top, path)) == 0:
            with walk.directory(top, path):
                return
        self._room.take(top, path)
        account.reserve(Amount(inodes=made))

    def _require_source(self, top: int, source: TreePath, target: TreePath) -> None:
        with walk.directory(top, source[:-1]) as parent:
            kind = walk.look(parent, source[-1])
            if kind is None:
                raise errors.FileNotFound(field="source")
            if kind == FileKind.OTHER:
                raise walk.refused()
            if kind == FileKind.DIRECTORY and len(target) > len(source):
                copies.require_depth(parent, source[-1], self._limits.depth_max - len(target))

    def _require_free(self, top: int, target: TreePath) -> None:
        if places.missing(top, target) == 0:
            raise errors.PathTaken(field="target")
        self._room.take(top, target)


def _require_outside(source: TreePath, target: TreePath) -> None:
    if not source or not target:
        raise errors.PathRefused("the root of a tree stays where it is", field="path")
    if target[: len(source)] == source and target != source:
        raise errors.PathRefused("nothing can be put into itself", field="target")


def _seen(parent: int, name: str) -> os.stat_result:
    return os.stat(name, dir_fd=parent, follow_symlinks=False)


def _root(top: int) -> FileEntry:
    return FileEntry("", FileKind.DIRECTORY, 0, listing.date(os.fstat(top)))
