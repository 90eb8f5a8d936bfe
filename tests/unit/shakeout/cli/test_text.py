"""Tables, sizes and durations as a person reads them."""

import io

import pytest

from shakeout.cli import board, text
from shakeout.system.progress import State, Step


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_columns_are_as_wide_as_their_widest_cell():
    assert text.table(("name", "pid"), [("a", "1"), ("long-name", "22")]) == [
        "name       pid",
        "a          1",
        "long-name  22",
    ]


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 40, "3.0 TiB")]
)
def test_sizes(count, shown):
    assert text.size(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.9, "0 s"), (61, "1 min 1 s"), (3600, "1 h 0 min")]
)
def test_durations(seconds, shown):
    assert text.duration(seconds) == shown


@pytest.fixture(autouse=True)
def able(monkeypatch):
    """A terminal of today, whoever runs these tests."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_colours_only_on_a_terminal():
    assert text.coloured("x", text.RED, io.StringIO()) == "x"
    assert text.coloured("x", text.RED, Terminal()) == "\033[31mx\033[0m"


@pytest.mark.parametrize(
    ("name", "value", "coloured"),
    [
        ("NO_COLOR", "1", False),
        ("NO_COLOR", "0", False),
        ("NO_COLOR", "", True),
        ("TERM", "dumb", False),
    ],
)
def test_colours_only_where_nobody_minds(monkeypatch, name, value, coloured):
    """As https://no-color.org says: whatever NO_COLOR holds counts, but nothing. Colour on a terminal."""
    monkeypatch.setenv(name, value)
    assert ("\033" in text.coloured("x", text.RED, Terminal())) is coloured


def test_progress_on_a_dumb_terminal_is_no_redrawing(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    board.Board(stream).show(Step("redis", State.READY, 0.031))
    assert stream.getvalue() == "redis  ready      0.03 s\n"


def test_progress_without_colours_is_redrawn_all_the_same(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    board.Board(stream).show(Step("redis", State.READY, 0.031))
    assert stream.getvalue() == "\033[2Kredis  ready      0.03 s\n"


def test_progress_without_a_terminal_is_a_line_for_each_result():
    stream = io.StringIO()
    shown = board.Board(stream)
    shown.show(Step("redis", State.STARTING, 0.0))
    shown.show(Step("redis", State.READY, 0.031))
    assert stream.getvalue() == "redis  ready      0.03 s\n"


def test_progress_on_a_terminal_is_redrawn_in_place():
    stream = Terminal()
    shown = board.Board(stream)
    shown.show(Step("redis", State.STARTING, 0.0))
    shown.show(Step("etcd", State.STARTING, 0.0))
    shown.show(Step("redis", State.READY, 0.031))
    last = stream.getvalue().rpartition("\033[2A")[2]
    assert last.count("\033[2K") == 2
    assert "0.03 s" in last
