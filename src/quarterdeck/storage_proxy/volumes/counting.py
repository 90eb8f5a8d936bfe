"""What a directory holds, kernels' files included: counted on disk, following no link. For `quotas`.

Bytes are the lengths of files, a file with several names counts once; directories that nobody may look into hold nothing that counts.
"""

import contextlib
import os
import stat

from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.volumes import places, walk
from quarterdeck.storage_proxy.volumes.places import Places
from quarterdeck.storage_proxy.volumes.scopes import Amount

DATA = ".data"
"""How the names of what has arrived end, see `partials`."""

DEPTH_MAX = 100
"""One descriptor a level; what a kernel nests deeper is not counted."""


class Tally:
    """Adds up directories of one scope."""

    def __init__(self) -> None:
        self._bytes = 0
        self._inodes = 0
        self._linked: set[tuple[int, int]] = set()

    @property
    def amount(self) -> Amount:
        """What was found so far."""
        return Amount(self._bytes, self._inodes)

    def add_tree(self, where: Places, tree: str) -> None:
        """Count what is in a tree, and what arrives in it in pieces."""
        with contextlib.suppress(errors.TreeNotFound):
            with where.part(tree, places.FILES) as files:
                self.add(files)
            with where.part(tree, places.UPLOADS) as uploads:
                self.add_data(uploads)

    def add(self, directory: int, depth: int = 0) -> None:
        """Count what is in an open directory, but not itself."""
        with os.scandir(directory) as items:
            for item in items:
                self._item(directory, item, depth)

    def add_data(self, directory: int) -> None:
        """Count the data of uploads under way; what is noted about them is ours."""
        with os.scandir(directory) as items:
            for item in items:
                if item.name.endswith(DATA):
                    self._item(directory, item, 0)

    def _item(self, directory: int, item: os.DirEntry[str], depth: int) -> None:
        with contextlib.suppress(FileNotFoundError, errors.FileNotFound, PermissionError):
            found = item.stat(follow_symlinks=False)
            if self._is_counted_already(found):
                return
            self._inodes += 1
            if stat.S_ISREG(found.st_mode):
                self._bytes += found.st_size
            elif stat.S_ISDIR(found.st_mode) and depth < DEPTH_MAX:
                with walk.directory(directory, (item.name,)) as below:
                    self.add(below, depth + 1)

    def _is_counted_already(self, found: os.stat_result) -> bool:
        if stat.S_ISDIR(found.st_mode) or found.st_nlink == 1:
            return False
        known = (found.st_dev, found.st_ino)
        if known in self._linked:
            return True
        self._linked.add(known)
        return False
