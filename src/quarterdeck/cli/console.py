"""What `qd` prints: tables within the terminal's width, JSON, and errors in words."""

import errno
import json
import os
import re
import select
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TextIO

from quarterdeck.base.clock import Clock
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.cli import columns

COLUMNS_DEFAULT = 80
_GREEN, _YELLOW, _RED, _DIM = "32", "33", "31", "2"
_COLOURS = (
    ("FAILURE", _RED),
    ("LOST", _RED),
    ("RUNNING", _GREEN),
    ("SUCCESS", _GREEN),
    ("ALIVE", _GREEN),
    ("TERMINATED", _DIM),
    ("CANCELLED", _DIM),
    ("ING", _YELLOW),
    ("SCHEDULED", _YELLOW),
    ("DRAIN", _YELLOW),
)
"""The colour of a state, by the first of these words that is in it."""

_CONTROL = re.compile(r"(?!\x1b\[[0-9]*m)[\x00-\x09\x0b-\x1f\x7f-\x9f]")
"""What moves a terminal: kernels name files as they like. Colours and ends of lines may be ours."""


class Console:
    """Standard output and standard error of one command. Colours and a status line only where a terminal shows them."""

    def __init__(
        self, out: TextIO, err: TextIO, clock: Clock, *, as_json: bool, colour: bool = False
    ) -> None:
        self._out = out
        self._err = err
        self._clock = clock
        self._colour = colour and out.isatty()
        self._line = ""
        self.as_json = as_json
        self.live = err.isatty()
        """Whether somebody looks on, who is shown how far a long command has come."""

    def say(self, text: str) -> None:
        """Print a line, without what would move the terminal."""
        self._out.write(_harmless(text) + "\n")

    def json(self, value: Any) -> None:
        """Print a value as JSON."""
        self._out.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def json_line(self, value: Any) -> None:
        """Print a value as a line of JSON, at once."""
        self._out.write(json.dumps(value, ensure_ascii=False) + "\n")
        self._out.flush()

    def text(self, text: str) -> None:
        """Print text as it is, to standard output, at once."""
        self._out.write(text)
        self._out.flush()

    def require_reader(self) -> None:
        """Raise `BrokenPipeError` if nobody reads what is printed any more: who only waits would not notice."""
        try:
            watched = select.poll()
            watched.register(self._out, 0)
        except OSError:  # nothing with a descriptor
            return
        if any(event & select.POLLERR for _, event in watched.poll(0)):
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    def error_text(self, text: str) -> None:
        """Print text as it is, to standard error."""
        self._err.write(text)
        self._err.flush()

    def note(self, text: str) -> None:
        """Tell whoever looks on, on a line of standard error; nobody else."""
        if self.live:
            self.progress("")
            self.error_text(f"{_harmless(text)}\n")

    def progress(self, text: str) -> None:
        """Show how far it has come in place of what was shown before, for whoever looks on; an empty text takes it away."""
        if self.live and text != self._line:
            self._line = text
            self.error_text("\r\x1b[K" + columns.cut(_harmless(text), _columns(self._err) - 1))

    def table(
        self,
        titles: Sequence[str],
        rows: Sequence[Sequence[str]],
        flexible: int,
        *,
        painted: int | None = None,
    ) -> None:
        """Print rows under titles. Where a line would not fit, the cells of the flexible column are cut first; a painted one shows states, and is whole.

        On a narrow terminal the last columns are left out, and named to whoever looks on.
        """
        lines = [[_in_line(cell) for cell in row] for row in (titles, *rows)]
        wanted = [max(map(columns.width, column)) for column in zip(*lines, strict=True)]
        whole = set() if painted is None else {painted}
        widths = columns.fit(wanted, _columns(self._out), flexible=flexible, whole=whole)
        for row in lines:
            cells = {at: columns.fill(row[at], width) for at, width in widths.items()}
            if painted is not None and row is not lines[0]:
                cells[painted] = self.paint(row[painted], cells[painted])
            self.say((" " * columns.GAP).join(cells.values()).rstrip())
        if left := [title for at, title in enumerate(titles) if at not in widths]:
            self.note(f"no room for {', '.join(left)}")

    def paint(self, status: str, text: str | None = None) -> str:
        """Return a text in the colour of a state, where there are colours."""
        text = status if text is None else text
        code = next((code for word, code in _COLOURS if word in status), None)
        return f"\x1b[{code}m{text}\x1b[0m" if code and self._colour else text

    def complain(self, words: str, error: QuarterdeckError | None = None) -> None:
        """Print what went wrong to standard error; as JSON with code and field if JSON was asked for."""
        self.progress("")
        if self.as_json and error is not None:
            value = {"error": {"code": error.code, "field": error.field, "detail": error.detail}}
            self._err.write(json.dumps(value) + "\n")
        else:
            self._err.write(f"qd: {_harmless(words)}\n")

    def age(self, at: str) -> str:
        """Return how long ago a time in ISO 8601 was: 5s, 12m, 3h, 9d."""
        seconds = int(self.seconds_since(at))
        for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
            if seconds >= size:
                return f"{seconds // size}{unit}"
        return f"{seconds}s"

    def seconds_since(self, at: str) -> float:
        """Return how many seconds ago a time in ISO 8601 was."""
        return max(0.0, (self._clock.now() - datetime.fromisoformat(at)).total_seconds())


def bytes_in_words(size: int) -> str:
    """Return a number of bytes for people: 512 B, 1.2 KiB, 3.4 MiB."""
    if size < 1024:
        return f"{size} B"
    value = float(size)
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if value < 1024:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} TiB"


def duration(seconds: float) -> str:
    """Return a length of time for people: 4 ms, 2.5 s, 3m 20s, 5h 2m, 2d 4h."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60}m {whole % 60}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60}m"
    return f"{whole // 86400}d {whole % 86400 // 3600}h"


def local_time(at: str, *, date: bool = True) -> str:
    """Return a time in ISO 8601 as the clock on the wall shows it here, to the millisecond without a date."""
    here = datetime.fromisoformat(at).astimezone()
    return here.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S.%f")[: 19 if date else 12]


def _columns(stream: TextIO) -> int:
    """Return how wide a terminal is; what is no terminal takes lines of any length."""
    if not stream.isatty():
        return sys.maxsize
    try:
        return os.get_terminal_size(stream.fileno()).columns or COLUMNS_DEFAULT
    except OSError:
        return COLUMNS_DEFAULT


def _harmless(text: str) -> str:
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def _in_line(text: str) -> str:
    """Return a cell that is no more than that: without colours and ends of lines of its own."""
    return _CONTROL.sub(
        "\N{REPLACEMENT CHARACTER}", text.replace("\x1b", "\0").replace("\n", "\0")
    )
