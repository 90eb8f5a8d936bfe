"""What `qd` prints: tables within the terminal's width, JSON, and errors in words."""

import json
import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TextIO

from quarterdeck.base.clock import Clock
from quarterdeck.base.errors import QuarterdeckError

COLUMNS_DEFAULT = 80
_GAP = 2
_CELL_MIN = 8


class Console:
    """Standard output and standard error of one command."""

    def __init__(self, out: TextIO, err: TextIO, clock: Clock, *, as_json: bool) -> None:
        self._out = out
        self._err = err
        self._clock = clock
        self.as_json = as_json

    def say(self, text: str) -> None:
        """Print a line."""
        self._out.write(text + "\n")

    def json(self, value: Any) -> None:
        """Print a value as JSON."""
        self._out.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def text(self, text: str) -> None:
        """Print text as it is, to standard output."""
        self._out.write(text)

    def error_text(self, text: str) -> None:
        """Print text as it is, to standard error."""
        self._err.write(text)

    def table(self, titles: Sequence[str], rows: Sequence[Sequence[str]], flexible: int) -> None:
        """Print rows under titles. The cells of the flexible column are cut where the line would not fit."""
        widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
        room = self._columns() - sum(widths) - _GAP * (len(widths) - 1) + widths[flexible]
        widths[flexible] = min(widths[flexible], max(room, _CELL_MIN))
        for row in (titles, *rows):
            cells = [
                _cut(cell, width).ljust(width) for cell, width in zip(row, widths, strict=True)
            ]
            self.say((" " * _GAP).join(cells).rstrip())

    def complain(self, words: str, error: QuarterdeckError | None = None) -> None:
        """Print what went wrong to standard error; as JSON with code and field if JSON was asked for."""
        if self.as_json and error is not None:
            value = {"error": {"code": error.code, "field": error.field, "detail": error.detail}}
            self._err.write(json.dumps(value) + "\n")
        else:
            self._err.write(f"qd: {words}\n")

    def age(self, at: str) -> str:
        """Return how long ago a time in ISO 8601 was: 5s, 12m, 3h, 9d."""
        seconds = max(0, int((self._clock.now() - datetime.fromisoformat(at)).total_seconds()))
        for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
            if seconds >= size:
                return f"{seconds // size}{unit}"
        return f"{seconds}s"

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._out.fileno()).columns or COLUMNS_DEFAULT
        except OSError:
            return COLUMNS_DEFAULT


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


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
