"""Bounded memory of what a kernel writes: the newest part of all. Used by `process`; what one run writes is in `record`."""

import codecs
from collections import deque
from typing import Protocol

from quarterdeck.wire.sessions import Logs

TAIL_BYTES_MAX = 2**20
_UTF8 = codecs.getincrementaldecoder("utf-8")


class Journal(Protocol):
    """Where output is written down for the agent's next life; `earlier` is what is there already."""

    earlier: bytes

    def add(self, piece: bytes) -> None:
        """Write a piece down, as far as possible."""
        ...

    def close(self) -> None:
        """Write nothing down any more."""
        ...


class Tail:
    """The last bytes of a stream."""

    def __init__(self, bytes_max: int = TAIL_BYTES_MAX) -> None:
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._bytes_max = bytes_max
        self._journal: Journal | None = None
        self._decoder = _UTF8("replace")
        self._characters = 0

    def keep(self, journal: Journal) -> None:
        """Have all written down as well, after what the journal holds already."""
        so_far = b"".join(self._pieces)
        self._pieces.clear()
        self._size, self._characters = 0, 0
        self._decoder.reset()
        self.add(journal.earlier)
        self._journal = journal
        self.add(so_far)

    def close(self) -> None:
        """Take nothing more: a character that has only begun ends here."""
        self._characters += len(self._decoder.decode(b"", final=True))
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def add(self, piece: bytes) -> None:
        """Take a piece and forget what no longer fits."""
        if self._journal is not None:
            self._journal.add(piece)
        self._characters += len(self._decoder.decode(piece))
        self._pieces.append(piece)
        self._size += len(piece)
        while self._size > self._bytes_max:
            first = self._pieces.popleft()
            kept = first[min(len(first), self._size - self._bytes_max) :]
            self._size -= len(first) - len(kept)
            if kept:
                self._pieces.appendleft(kept)

    def logs(self) -> Logs:
        """Return the bytes as text, and how many characters came in all; what is not UTF-8 shows as U+FFFD. A character that has only begun comes later."""
        begun, _ = self._decoder.getstate()
        whole = b"".join(self._pieces).removesuffix(begun)
        return Logs(whole.decode("utf-8", "replace"), self._characters)
