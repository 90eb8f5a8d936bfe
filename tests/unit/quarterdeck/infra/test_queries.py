"""Named blocks of SQL are split, stripped of comments, and refused when they are ambiguous."""

import pytest

from quarterdeck.infra import queries

TEXT = """\
-- What this file is about.

-- name: one
-- Why it is asked.
SELECT 1
  -- why so
  FROM t;

-- name: two_b
SELECT 2
"""


def test_blocks_are_found_by_name():
    found = queries.parse(TEXT)
    assert list(found) == ["one", "two_b"]
    assert found["one"] == "SELECT 1\n  FROM t"
    assert found["two_b"] == "SELECT 2"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT 1", "before the first"),
        ("-- name: a\n-- nothing", "empty"),
        ("-- name: a\nSELECT 1\n-- name: a\nSELECT 2", "there twice"),
    ],
)
def test_ambiguous_file_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        queries.parse(text)


def test_unknown_name_is_a_key_error():
    with pytest.raises(KeyError):
        queries.parse(TEXT)["three"]
