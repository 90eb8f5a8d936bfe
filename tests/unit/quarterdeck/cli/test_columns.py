"""How wide text is on a terminal, and tables that fit one of forty columns."""

import io
import os
import pty
import termios

import pytest

from quarterdeck.cli import arguments, columns, run
from quarterdeck.cli.console import Console
from quarterdeck.testing.fakes.platform import (
    ANSWERS,
    FAILED,
    FOLDER_VIEW,
    SESSION,
    Noon,
    Platform,
)

KOREAN = "\u1112\u1161\u11ab"
FLAG = "\N{WAVING WHITE FLAG}\N{VARIATION SELECTOR-16}\N{ZERO WIDTH JOINER}\N{RAINBOW}"


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("fit", 3),
        ("", 0),
        ("\N{CJK UNIFIED IDEOGRAPH-6771}\N{CJK UNIFIED IDEOGRAPH-4EAC}", 4),
        ("\N{FULLWIDTH LATIN SMALL LETTER A}\N{HALFWIDTH KATAKANA LETTER A}", 3),
        ("\N{ROCKET}", 2),
        ("e\N{COMBINING ACUTE ACCENT}", 1),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}\N{HORIZONTAL ELLIPSIS}", 2),
        ("a\N{ZERO WIDTH SPACE}b", 2),
        (KOREAN, 2),
        (FLAG, 3),
    ],
)
def test_width_is_what_a_terminal_shows(text, width):
    assert columns.width(text) == width
    assert columns.fill(text, 20) == text + " " * (20 - width)


@pytest.mark.parametrize(
    ("text", "most", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd\N{HORIZONTAL ELLIPSIS}"),
        ("\u6771\u4eac\u90fd", 5, "\u6771\u4eac\N{HORIZONTAL ELLIPSIS}"),
        ("\u6771\u4eac\u90fd", 4, "\u6771\N{HORIZONTAL ELLIPSIS}"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301\N{HORIZONTAL ELLIPSIS}"),
    ],
)
def test_cut_is_never_wider(text, most, shown):
    assert columns.cut(text, most) == shown
    assert columns.width(columns.fill(text, most)) == most


@pytest.mark.parametrize(
    ("wanted", "room", "given"),
    [
        ((8, 9, 7, 5), 40, {0: 8, 1: 9, 2: 7, 3: 5}),
        ((8, 30, 7, 5), 40, {0: 8, 1: 14, 2: 7, 3: 5}),
        ((8, 30, 7, 20), 40, {0: 8, 1: 8, 2: 7, 3: 11}),
        ((8, 30, 7, 20, 8), 40, {0: 8, 1: 8, 2: 7, 3: 11}),
        ((36, 30, 7, 20), 60, {0: 36, 1: 13, 2: 7}),
        ((36, 30, 7, 20), 40, {0: 21, 1: 8, 2: 7}),
    ],
)
def test_columns_are_cut_and_left_out_to_fit(wanted, room, given):
    """The flexible one (1) is cut first, what shows states (2) never; the last ones are left out, and the id is cut at last."""
    assert columns.fit(wanted, room, flexible=1, whole={2}) == given


class Narrow(io.StringIO):
    """A terminal of forty columns."""

    def __init__(self):
        super().__init__()
        self._ends = pty.openpty()
        termios.tcsetwinsize(self._ends[1], (24, 40))

    def isatty(self):
        return True

    def fileno(self):
        return self._ends[1]

    def close(self):
        for end in self._ends:
            os.close(end)
        super().close()


JAPANESE = 12 * "\N{CJK UNIFIED IDEOGRAPH-6771}"
LONG = SESSION | {"name": JAPANESE, "image": "registry.example.com/science/python:3.11"}
FILE = {
    "path": f"{JAPANESE}/{JAPANESE}.csv",
    "kind": "file",
    "size": 1,
    "modified_at": SESSION["created_at"],
}
WIDE = {
    "GET /v1/sessions": {"items": [LONG, FAILED | {"name": "long" * 10}]},
    "GET /v1/folders": {
        "items": [FOLDER_VIEW | {"name": JAPANESE, "owner_name": "ada" * 9}, FOLDER_VIEW]
    },
    "GET /client/v1/files": {"items": [FILE]},
}


@pytest.mark.parametrize(
    "line",
    [
        "session ls -a",
        "session ls -w",
        "session show long",
        "folder ls",
        "folder ls data",
        "user ls",
        "agent ls",
    ],
)
def test_tables_fit_forty_columns(line):
    """Half a screen is a terminal, too. List long and wide names on one of forty columns; no line of a table is longer."""
    out, err = Narrow(), Narrow()
    given = arguments.parse(line.replace("long", "long" * 10).split())
    console = Console(out, err, Noon(), as_json=False)
    run.COMMANDS[given.command](given, Platform({**ANSWERS, **WIDE}), console)
    lines = out.getvalue().split("\n\n")[-1].splitlines()
    assert len(lines) > 1
    assert max(map(columns.width, lines)) <= 40
    out.close()
    err.close()


def test_columns_that_are_left_out_are_named():
    """Nobody misses what is not shown without knowing. List folders on a terminal of forty columns."""
    out, err = Narrow(), Narrow()
    given = arguments.parse(["folder", "ls"])
    run.COMMANDS["folder-ls"](given, Platform(ANSWERS), Console(out, err, Noon(), as_json=False))
    titles = out.getvalue().splitlines()[0]
    assert " ".join(titles.split()) == "ID NAME OWNER YOU MAY STATUS"
    assert err.getvalue() == "no room for HOST, AGE\n"
    out.close()
    err.close()
