"""Plain text for a terminal: aligned columns, colours only where somebody looks, sizes, durations.

By hand because importing a library for it takes longer than booting a cluster.
"""

import sys
from collections.abc import Sequence
from typing import TextIO

from shakeout import settings

GREEN, RED, YELLOW, DIM, BOLD = "32", "31", "33", "2", "1"
GAP = "  "
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
STEP = 1024


def say(line: str) -> None:
    """Print one line to stdout at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at it, and it can be written to in any place."""
    return stream.isatty() and not settings.is_dumb()


def coloured(text: str, colour: str, stream: TextIO = sys.stdout) -> str:
    """The text in colour, if the stream is a terminal and nobody minds (`settings.may_colour`)."""
    if is_terminal(stream) and settings.may_colour():
        return f"\033[{colour}m{text}\033[0m"
    return text


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of aligned columns; the last column is as wide as it is."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [_line(row, widths) for row in (head, *rows)]


def size(count: float) -> str:
    """`12.3 MiB`."""
    for unit in UNITS[:-1]:
        if count < STEP:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= STEP
    return f"{count:.1f} {UNITS[-1]}"


def duration(seconds: float) -> str:
    """`12 s`, `3 min 5 s`, `2 h 10 min`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    *first, last = row
    cells = [cell.ljust(width) for cell, width in zip(first, widths, strict=False)]
    return GAP.join([*cells, last]).rstrip()
