"""What is in a directory, at any depth if asked: bounded, following no link, by calls that block. For `directories`."""

import contextlib
import os
from datetime import UTC, datetime

from quarterdeck.storage_proxy import errors, model
from quarterdeck.storage_proxy.model import Limits, TreePath
from quarterdeck.storage_proxy.volumes import walk
from quarterdeck.wire.folders import FileEntry, FileKind

_EARLIEST = datetime(1, 1, 2, tzinfo=UTC).timestamp()
_LATEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
"""What a file system says may lie far outside of what has a date; a day within, the date has a form in every time zone."""


class Listing:
    """Collects entries; at its limit it raises `TooManyEntries`, below the deepest level allowed `PathTooLong`."""

    def __init__(self, limits: Limits, *, recursive: bool) -> None:
        self._limits = limits
        self._recursive = recursive
        self._entries: list[FileEntry] = []

    def sorted(self) -> list[FileEntry]:
        """Return what was collected, by path."""
        return sorted(self._entries, key=lambda entry: entry.path)

    def collect(self, directory: int, path: TreePath) -> None:
        """Add what is in an open directory, which is at `path`. Each level holds one descriptor: depth is bounded."""
        with os.scandir(directory) as items:
            for item in items:
                self._add(directory, (*path, item.name), item)

    def _add(self, directory: int, path: TreePath, item: os.DirEntry[str]) -> None:
        if len(path) > self._limits.depth_max:
            raise errors.PathTooLong(
                f"the tree is deeper than {self._limits.depth_max} names", field="path"
            )
        try:
            added = entry(path, item.stat(follow_symlinks=False))
        except FileNotFoundError:
            return
        self._entries.append(added)
        bound(len(self._entries), self._limits.listing_entries_max)
        if self._recursive and added.kind == FileKind.DIRECTORY:
            with contextlib.suppress(errors.FileNotFound):
                with walk.directory(directory, (item.name,)) as below:
                    self.collect(below, path)


def entry(path: TreePath, found: os.stat_result) -> FileEntry:
    """Return what a listing shows of a file. A name that is no UTF-8 is shown with replacement characters."""
    kind = FileKind(walk.kind(found.st_mode))
    return FileEntry(
        path=model.render(path).encode(errors="surrogateescape").decode(errors="replace"),
        kind=kind,
        size=found.st_size if kind == FileKind.FILE else 0,
        modified_at=date(found),
    )


def date(found: os.stat_result) -> datetime:
    """Return when a file was changed last, to the microsecond; what no calendar has becomes the nearest that is in it."""
    seconds = found.st_mtime_ns // 1000 / 1e6
    return datetime.fromtimestamp(min(max(seconds, _EARLIEST), _LATEST), UTC)


def bound(count: int, limit: int) -> None:
    """Raise `TooManyEntries` when the count is over the limit."""
    if count > limit:
        raise errors.TooManyEntries(f"at most {limit} entries", field="path")
