"""Tables fit 80 columns, ages and sizes read well, errors say what to do."""

import io
import json
import os
import pty
import termios
from datetime import UTC, datetime

import pytest

from quarterdeck.base.errors import ConfigInvalid
from quarterdeck.cli import console, words
from quarterdeck.client.errors import Refused, SessionEnded, Unreachable


class Noon:
    """A clock that stands."""

    def now(self):
        return datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)

    def monotonic(self):
        return 0.0


@pytest.fixture
def out():
    return io.StringIO()


@pytest.fixture
def plain(out):
    return console.Console(out, out, Noon(), as_json=False)


def test_table_lines_up(plain, out):
    plain.table(("ID", "NAME"), [("1", "a"), ("22", "bb")], flexible=1)
    assert out.getvalue() == "ID  NAME\n1   a\n22  bb\n"


@pytest.mark.parametrize("trick", ["\x1b]0;x", "\x1b[2J", "\r", "\b", "\x9b2J", "\x7f", "\x00"])
def test_name_of_a_file_moves_no_terminal(plain, out, trick):
    """Kernels name files as they like. Print such a name in a line, a table and a complaint; what a terminal would obey is replaced."""
    plain.say(f"a{trick}b")
    plain.table(("PATH",), [(f"a{trick}b\nc",)], flexible=0)
    plain.complain(f"a{trick}b")
    shown = "a" + trick.replace(trick[0], "\N{REPLACEMENT CHARACTER}") + "b"
    printed = f"{shown}\nPATH\n{shown}\N{REPLACEMENT CHARACTER}c\nqd: {shown}\n"
    assert out.getvalue() == printed


def test_pipe_that_nobody_reads_is_noticed_without_a_word(plain):
    """Who follows what says nothing more need not wait for ever. Close the other end of a pipe; it is not written to."""
    reads, writes = os.pipe()
    with os.fdopen(writes, "w") as out:
        piped = console.Console(out, out, Noon(), as_json=False)
        piped.require_reader()
        os.close(reads)
        with pytest.raises(BrokenPipeError):
            piped.require_reader()
    plain.require_reader()


def test_empty_table_has_its_titles(plain, out):
    plain.table(("ID", "NAME"), [], flexible=1)
    assert out.getvalue() == "ID  NAME\n"


def test_long_cell_is_cut_to_the_terminal_only(plain, out):
    """Programs get all of it. Print a long path in a terminal of which nobody knows the size, and elsewhere."""
    row = ("x" * 36, "y" * 63, "5m")
    seen = Terminal()
    console.Console(seen, seen, Noon(), as_json=False).table(
        ("ID", "NAME", "AGE"), [row], flexible=1
    )
    lines = seen.getvalue().splitlines()
    assert max(map(len, lines)) == 80
    assert "…" in lines[1]
    plain.table(("ID", "NAME", "AGE"), [row], flexible=1)
    assert out.getvalue().splitlines()[1].split() == list(row)


def test_progress_fits_the_terminal_that_shows_it():
    """An id is often taken from standard output while somebody looks on. Show a long line on a terminal of 40 columns only."""
    looks, shows = pty.openpty()
    termios.tcsetwinsize(shows, (24, 40))
    with os.fdopen(looks, "rb"), os.fdopen(shows, "w") as err:
        console.Console(io.StringIO(), err, Noon(), as_json=False).progress("x" * 79)
        assert os.read(looks, 4096).decode() == "\r\x1b[K" + "x" * 38 + "…"


@pytest.mark.parametrize(
    ("at", "age"),
    [
        ("2026-01-31T12:00:00Z", "0s"),
        ("2026-01-31T11:59:01.5Z", "58s"),
        ("2026-01-31T11:30:00+00:00", "30m"),
        ("2026-01-31T01:00:00Z", "11h"),
        ("2026-01-01T00:00:00Z", "30d"),
        ("2026-02-01T00:00:00Z", "0s"),
    ],
)
def test_age(plain, at, age):
    assert plain.age(at) == age


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 2**20, "5.0 MiB"), (2**41, "2.0 TiB")],
)
def test_bytes_in_words(size, text):
    assert console.bytes_in_words(size) == text


def test_error_says_what_to_do():
    taken = Refused(409, "session-name-taken", "a live session has the name 'fit'", field="name")
    assert words.of(taken).splitlines() == [
        "a live session has the name 'fit'",
        "    take another --name, or end that one: qd session rm NAME",
    ]
    assert words.of(Refused(400, "invalid-field", "Expected `int` >= 1", field="slots.cpu")) == (
        "slots.cpu: Expected `int` >= 1"
    )
    assert "(trace t1)" in words.of(Refused(500, "internal", "oops", trace="t1"))
    assert "is QD_URL right?" in words.of(Unreachable("cannot reach http://x"))
    unset = words.of(ConfigInvalid("QD_URL is not set", field="QD_URL"))
    assert unset.startswith("QD_URL is not set\n    which variables")
    ended = SessionEnded("id", "RUNNING", "TERMINATED", "task-failed")
    assert words.of(ended, "fit").endswith("qd session show fit")


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self):
        return True


def test_colours_and_progress_are_for_terminals_only(plain, out):
    assert plain.paint("RUNNING") == "RUNNING"
    plain.progress("half")
    plain.note("done")
    assert out.getvalue() == ""
    seen = Terminal()
    live = console.Console(seen, seen, Noon(), as_json=False, colour=True)
    assert live.paint("RUNNING") == "\x1b[32mRUNNING\x1b[0m"
    assert live.paint("FAILURE 3") == "\x1b[31mFAILURE 3\x1b[0m"
    assert live.paint("fit") == "fit"
    live.progress("half")
    live.progress("half")
    live.note("done")
    assert seen.getvalue() == "\r\x1b[Khalf\r\x1b[Kdone\n"
    calm = console.Console(seen, seen, Noon(), as_json=False, colour=False)
    assert calm.paint("RUNNING") == "RUNNING"


def test_painted_column_still_lines_up():
    seen = Terminal()
    live = console.Console(seen, seen, Noon(), as_json=False, colour=True)
    live.table(("A", "B"), [("RUNNING", "x"), ("-", "y")], flexible=1, painted=0)
    plain_text = seen.getvalue().replace("\x1b[32m", "").replace("\x1b[0m", "")
    assert plain_text == "A        B\nRUNNING  x\n-        y\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0042, "4 ms"), (2.5, "2.5 s"), (200, "3m 20s"), (18120, "5h 2m"), (187200, "2d 4h")],
)
def test_duration(seconds, text):
    assert console.duration(seconds) == text


def test_error_as_json():
    out = io.StringIO()
    error = Refused(404, "session-not-found", "no", field="id")
    console.Console(out, out, Noon(), as_json=True).complain(words.of(error), error)
    assert json.loads(out.getvalue())["error"] == {
        "code": "session-not-found",
        "field": "id",
        "detail": "no",
    }
