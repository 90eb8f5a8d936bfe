"""Room for entries in directories. Reading a directory for each new entry would make many files in one cost the square of their number:
it is read again only after a quarter of the room found has been given away, so that the limit is exact where it matters.
"""

import os
import threading
from collections import OrderedDict

from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.model import TreePath
from quarterdeck.storage_proxy.volumes import places, walk

_SHARE = 4
_REMEMBERED_MAX = 1024


class Room:
    """What may be added to directories before they are looked at again. For one volume, from any thread.

    Others who write there, kernels too, go unseen until then: such a directory may go over its limit by that quarter.
    """

    def __init__(self, entries_max: int) -> None:
        self._entries_max = entries_max
        self._left: OrderedDict[tuple[int, int], int] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, top: int, path: TreePath) -> None:
        """Raise `TooManyEntries` if something new at a path, or the first directory made for it, finds its directory full."""
        with places.nearest(top, path) as (near, _):
            self.take_in(near)

    def take_in(self, directory: int) -> None:
        """Raise `TooManyEntries` if something new finds an open directory full."""
        found = os.fstat(directory)
        key = (found.st_dev, found.st_ino)
        with self._lock:
            if left := self._left.get(key, 0):
                self._left[key] = left - 1
                return
        count = len(walk.some(directory, self._entries_max)) + 1
        if count > self._entries_max:
            raise errors.TooManyEntries(f"at most {self._entries_max} entries", field="path")
        with self._lock:
            self._left[key] = (self._entries_max - count) // _SHARE
            self._left.move_to_end(key)
            while len(self._left) > _REMEMBERED_MAX:
                self._left.popitem(last=False)
