"""Looks below a directory for what matches a pattern: bounded in steps and results, following no link. For `arranging`."""

import contextlib
import os

from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.globs import Glob
from quarterdeck.storage_proxy.model import Limits, TreePath
from quarterdeck.storage_proxy.volumes import listing, walk
from quarterdeck.wire.folders import FileEntry, FileKind
from quarterdeck.wire.trees import Found


class Search:
    """One search. Over its limit of steps it raises `TooManyEntries`, as for a directory that alone has more; deeper than paths may be it does not look."""

    def __init__(self, limits: Limits, glob: Glob, limit: int) -> None:
        self._limits = limits
        self._glob = glob
        self._limit = limit
        self._steps = 0
        self._found: list[FileEntry] = []

    def run(self, directory: int, path: TreePath) -> Found:
        """Look below an open directory, which is at `path`."""
        self._look(directory, path, len(path))
        return Found(self._found[: self._limit], len(self._found) > self._limit)

    def _look(self, directory: int, path: TreePath, start: int) -> None:
        found = walk.some(directory, self._limits.search_entries_max - self._steps)
        self._steps += len(found)
        listing.bound(self._steps, self._limits.search_entries_max)
        for item in sorted(found, key=lambda item: item.name):
            if len(self._found) > self._limit:
                return
            self._judge(directory, (*path, item.name), item, start)

    def _judge(self, directory: int, path: TreePath, item: os.DirEntry[str], start: int) -> None:
        with contextlib.suppress(FileNotFoundError, errors.FileNotFound):
            entry = listing.entry(path, item.stat(follow_symlinks=False))
            if self._glob.matches(path[start:]):
                self._found.append(entry)
            if entry.kind == FileKind.DIRECTORY and len(path) < self._limits.depth_max:
                with walk.directory(directory, (item.name,)) as below:
                    self._look(below, path, start)
