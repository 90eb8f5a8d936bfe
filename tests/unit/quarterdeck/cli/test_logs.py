"""What has been added to a log of which only the newest part is kept."""

import pytest

from quarterdeck.cli import logs


@pytest.mark.parametrize(
    ("before", "now", "new"),
    [
        ("", "", ""),
        ("", "a\n", "a\n"),
        ("a\n", "a\nb\n", "b\n"),
        ("a\nb\n", "a\nb\n", ""),
        ("x" * 5000 + "end", "x" * 4000 + "end" + "new", "new"),
        ("gone", "all new", "all new"),
    ],
)
def test_added(before, now, new):
    assert logs.added(before, now) == new
