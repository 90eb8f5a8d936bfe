"""What a run has written and shown, in order, each character at an offset for good: the beginning and the newest part are kept.

Used by `runs`; filled by `outputs`.
"""

import enum
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

CHARACTERS_MAX = 2**20
"""Of the beginning, and again of the newest part."""
PIECES_MAX = 2**14
"""The same, for those who write by the letter to both streams."""
_JOINED_CHARACTERS_MAX = 2**12


class Kind(enum.StrEnum):
    """Where it came from."""

    STDOUT = "stdout"
    STDERR = "stderr"
    DISPLAY = "display"


class Piece(NamedTuple):
    """Text of one stream, or (with `data`) something shown, which has the length 1."""

    start: int
    kind: Kind
    text: str = ""
    data: Mapping[str, str] | None = None

    @property
    def end(self) -> int:
        """The offset after it."""
        return self.start + (len(self.text) if self.data is None else 1)

    @property
    def size(self) -> int:
        """What it takes to keep it."""
        return len(self.text) if self.data is None else sum(map(len, self.data.values()))

    def after(self, offset: int) -> "Piece":
        """Return the part from an offset on."""
        if self.data is not None or offset <= self.start:
            return self
        return Piece(offset, self.kind, self.text[offset - self.start :])

    def first(self, characters: int) -> "Piece":
        """Return the beginning of a text; all of something shown."""
        if self.data is not None or len(self.text) <= characters:
            return self
        return Piece(self.start, self.kind, self.text[:characters])


class Part(NamedTuple):
    """What there is from an offset on: `skipped` characters before it are lost, `offset` is where to read on."""

    pieces: tuple[Piece, ...]
    offset: int
    skipped: int

    def text(self, kind: Kind) -> str:
        """Return what one stream has in it."""
        return "".join(piece.text for piece in self.pieces if piece.kind is kind)

    def order(self) -> tuple[tuple[str, int], ...]:
        """Return the lengths of streams and displays as they follow each other; nothing if one stream is all."""
        found: list[tuple[str, int]] = []
        for piece in self.pieces:
            length = piece.end - piece.start
            if found and found[-1][0] == piece.kind.value:
                length += found.pop()[1]
            found.append((piece.kind.value, length))
        return tuple(found) if len(found) > 1 else ()


class Record:
    """The record of one run. `written` counts all characters, `size` what is kept."""

    def __init__(self, characters_max: int = CHARACTERS_MAX, pieces_max: int = PIECES_MAX) -> None:
        self.written = 0
        self._head: list[Piece] = []
        self._room = characters_max
        self._tail: deque[Piece] = deque()
        self._tail_size = 0
        self._characters_max = characters_max
        self._pieces_max = pieces_max

    @property
    def size(self) -> int:
        """What is kept, in characters."""
        return self._characters_max - self._room + self._tail_size

    def write(self, kind: Kind, text: str) -> None:
        """Take text of a stream."""
        if self._head_open and text:
            fitting = text[: self._room]
            self._append(self._head, Piece(self.written, kind, fitting))
            self._room -= len(fitting)
            self.written += len(fitting)
            text = text[len(fitting) :]
        if text:
            self._add_to_tail(Piece(self.written, kind, text))
            self.written += len(text)

    def show(self, data: Mapping[str, str]) -> None:
        """Take something shown."""
        piece = Piece(self.written, Kind.DISPLAY, data=data)
        if self._head_open and piece.size <= self._room:
            self._head.append(piece)
            self._room -= piece.size
        else:
            self._add_to_tail(piece)
        self.written += 1

    def read(self, offset: int, most: int | None = None) -> Part:
        """Return what is kept from an offset on: up to the end of the beginning, or from there up to now, or about so many characters."""
        offset = min(offset, self.written)
        end = self._head[-1].end if self._head else 0
        if offset < end:
            first = bisect_right(self._head, offset, key=_start) - 1
            return _part(self._head[first:], offset, most)
        return _part(self._newest(offset), offset, most)

    @property
    def _head_open(self) -> bool:
        return self._room > 0 and len(self._head) < self._pieces_max and not self._tail

    def _newest(self, offset: int) -> list[Piece]:
        found: list[Piece] = []
        for piece in reversed(self._tail):
            if piece.end <= offset:
                break
            found.append(piece)
        found.reverse()
        return found

    def _add_to_tail(self, piece: Piece) -> None:
        self._append(self._tail, piece)
        self._tail_size += piece.size
        while len(self._tail) > 1 and (
            len(self._tail) > self._pieces_max
            or self._tail_size - self._tail[0].size >= self._characters_max
        ):
            self._tail_size -= self._tail.popleft().size

    def _append(self, pieces: "list[Piece] | deque[Piece]", piece: Piece) -> None:
        """Append, as part of the last piece if that is a short one of the same stream."""
        last = pieces[-1] if pieces else None
        if (
            last is not None
            and last.kind is piece.kind
            and last.data is None
            and last.size < min(_JOINED_CHARACTERS_MAX, self._characters_max)
        ):
            pieces[-1] = Piece(last.start, last.kind, last.text + piece.text)
        else:
            pieces.append(piece)


def _start(piece: Piece) -> int:
    return piece.start


def _part(found: Iterable[Piece], offset: int, most: int | None) -> Part:
    pieces = tuple(_first(_after(found, offset), most))
    if not pieces:
        return Part((), offset, 0)
    return Part(pieces, pieces[-1].end, max(pieces[0].start - offset, 0))


def _first(found: Iterable[Piece], most: int | None) -> Iterator[Piece]:
    if most is None:
        yield from found
        return
    for piece in found:
        yield piece.first(most)
        most -= piece.size
        if most <= 0:
            return


def _after(found: Iterable[Piece], offset: int) -> Iterator[Piece]:
    for piece in found:
        if piece.end > offset:
            yield piece.after(offset)
