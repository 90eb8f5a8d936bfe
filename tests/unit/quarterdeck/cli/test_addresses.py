"""What is typed after `qd cp`: which side is a folder, what patterns stand for, how far a file has come in a line."""

import pytest

from quarterdeck.cli import addresses, progress
from quarterdeck.cli.addresses import Remote
from quarterdeck.client.errors import FileUnusable

ENTRIES = [
    {"path": path}
    for path in (
        "a.csv",
        "b.txt",
        "results",
        "results/a.csv",
        "results/deep",
        "results/deep/c.csv",
    )
]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("data:", Remote("data", "")),
        ("data:a/b c", Remote("data", "a/b c")),
        ("data:a:b", Remote("data", "a:b")),
        ("./a:b", "./a:b"),
        ("/tmp/a:b", "/tmp/a:b"),
        ("ada/data:", Remote("ada/data", "")),
        ("ada/data:a/b:c", Remote("ada/data", "a/b:c")),
        ("./dir/a:b", "./dir/a:b"),
        ("Dir/a:b", "Dir/a:b"),
        ("dir/a.b:c", "dir/a.b:c"),
        ("a/b/c:d", "a/b/c:d"),
        ("..:x", "..:x"),
        (":x", ":x"),
        ("plain", "plain"),
    ],
)
def test_side_of_an_address(text, meant):
    assert addresses.read(text) == meant


@pytest.mark.parametrize(
    ("pattern", "base", "found"),
    [
        ("*.csv", "", ["a.csv"]),
        ("*/*.csv", "", ["results/a.csv"]),
        ("results/*", "results", ["results/a.csv", "results/deep"]),
        ("**/*.csv", "", ["a.csv", "results/a.csv", "results/deep/c.csv"]),
        ("results/**/c.csv", "results", ["results/deep/c.csv"]),
        ("[ab].*", "", ["a.csv", "b.txt"]),
        ("?.txt", "", ["b.txt"]),
    ],
)
def test_pattern_in_a_folder(pattern, base, found):
    assert addresses.fixed(pattern) == base
    assert addresses.matching(pattern, ENTRIES) == found


def test_pattern_that_fits_nothing_is_told(tmp_path):
    with pytest.raises(FileUnusable, match="nothing in the folder fits"):
        addresses.matching("*.pdf", ENTRIES)
    with pytest.raises(FileUnusable, match="nothing here fits"):
        addresses.local(f"{tmp_path}/*.pdf")


def test_pattern_here(tmp_path):
    for name in ("a.csv", "b.csv", "c.txt", "[x]"):
        (tmp_path / name).touch()
    assert addresses.local(f"{tmp_path}/*.csv") == [tmp_path / "a.csv", tmp_path / "b.csv"]
    assert addresses.local(f"{tmp_path}/[x]") == [tmp_path / "[x]"]
    assert addresses.local(f"{tmp_path}/missing") == [tmp_path / "missing"]


@pytest.mark.parametrize(
    ("done", "size", "seconds", "begun", "shown"),
    [
        (0, 100, 0.0, 0, "f  [--------------------]   0%"),
        (50, 100, 0.1, 0, "f  [##########----------]  50%"),
        (2**21, 2**22, 2.0, 0, "f  [##########----------]  50%  1.0 MiB/s  2.0 s left"),
        (2**21, 2**22, 2.0, 2**20, "f  [##########----------]  50%  512.0 KiB/s  4.0 s left"),
        (0, 0, 9.0, 0, "f  [####################] 100%"),
    ],
)
def test_line_of_a_file(done, size, seconds, begun, shown):
    assert progress.line("f", done, size, seconds=seconds, begun=begun) == shown


def test_line_of_a_file_with_a_long_name_is_short():
    line = progress.line("n" * 200, 10**12, 10**13, seconds=1000)
    assert len(line) < 80
