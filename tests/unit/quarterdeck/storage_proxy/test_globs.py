"""Patterns of a search: what they match, what they refuse, and that no pattern takes long."""

import pytest

from quarterdeck.storage_proxy import errors, globs

CASES = [
    ("*.csv", "a.csv", True),
    ("*.csv", "deep/down/a.csv", True),
    ("*.csv", "a.csv/b", False),
    ("*.csv", "A.CSV", False),
    ("a?", "ab", True),
    ("[!a]b", "cb", True),
    ("[!a]b", "ab", False),
    ("[", "[", True),
    ("**", "any/thing", True),
    ("data/*.csv", "data/a.csv", True),
    ("data/*.csv", "more/data/a.csv", False),
    ("data/*.csv", "data/deep/a.csv", False),
    ("data/**/a", "data/a", True),
    ("data/**/a", "data/b/c/a", True),
    ("data/**/a", "a", False),
    ("**/b/**", "a/b", True),
    ("**/b/**", "a/b/c/d", True),
    ("**/b/**", "a/c", False),
    ("**/**/**/x", "x", True),
]


@pytest.mark.parametrize(("pattern", "path", "expected"), CASES)
def test_pattern_matches_names_or_paths(pattern, path, expected):
    """A pattern without a slash is for names at any depth, any other for paths from the start. Match each pair."""
    assert globs.parse(pattern).matches(tuple(path.split("/"))) is expected


@pytest.mark.parametrize(
    "pattern", ["../*", "/etc/*", "a//b", "a/.", "", "a\0b", "/".join("a" * 34)]
)
def test_pattern_that_does_not_go_downwards_is_refused(pattern):
    """A pattern is judged like a path. Parse what would escape."""
    with pytest.raises(errors.PathRefused) as refused:
        globs.parse(pattern)
    assert refused.value.field == "pattern"


@pytest.mark.timeout(5)
def test_no_pattern_takes_long():
    """Backtracking is bounded. Match the classic worst cases against what almost fits."""
    assert not globs.parse("*a" * 60 + "b").matches(("a" * 250,))
    assert not globs.parse("/".join(["**"] * 16 + ["*a*a*a*a*a*b"])).matches(("a" * 20,) * 32)
