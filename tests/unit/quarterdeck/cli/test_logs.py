"""What has been added to a log of which only the newest part is kept."""

import pytest

from quarterdeck.cli import logs

SAME = "same\n" * 1000


def log(text, written=None):
    return {"text": text, "written": len(text) if written is None else written}


@pytest.mark.parametrize(
    ("before", "now", "new"),
    [
        (log(""), log(""), ""),
        (log(""), log("a\n"), "a\n"),
        (log("a\n"), log("a\nb\n"), "b\n"),
        (log("a\nb\n"), log("a\nb\n"), ""),
        (log(SAME), log(SAME, 5000 + 10), "same\nsame\n"),
        (log("old"), log("new", 100), "new"),
        (log("x" * 5000 + "end", 9000), log("x" * 4000 + "end" + "new", 9003), "new"),
    ],
)
def test_added(before, now, new):
    assert logs.added(before, now) == new


@pytest.mark.parametrize(
    ("before", "now", "new"),
    [
        ({"text": "a\n"}, {"text": "a\nb\n"}, "b\n"),
        (log("x" * 5000 + "end", 9000), log("x" * 4000 + "end" + "new", 4006), "new"),
        (log("x" * 4000 + "end", 4003), log("x" * 4000 + "end" + "new", 5000), "new"),
        (log("gone"), log("all new"), "all new"),
    ],
)
def test_added_where_it_is_counted_anew(before, now, new):
    """An agent that starts again knows what is written down, not how much it was. What is new is found by what it says."""
    assert logs.added(before, now) == new
