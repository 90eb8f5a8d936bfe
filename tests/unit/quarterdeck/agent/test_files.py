"""Counting files that somebody else changes meanwhile: of any depth and permissions, never through a link, with few descriptors."""

import os
import stat
from pathlib import Path

import pytest

from quarterdeck.agent.kernels import files, scratch
from quarterdeck.agent.kernels.files import LEVELS_HELD_MAX
from quarterdeck.testing import rights

DEPTH = 200
NAME = "d" * 100


@pytest.fixture
def top(tmp_path):
    """A directory to look through; whatever is made in it is removed."""
    made = tmp_path / "top"
    made.mkdir()
    yield made
    scratch.remove_tree(made)


def sizes(found):
    """The sizes of files, directories aside."""
    return sorted(one.st_size for one in found if stat.S_ISREG(one.st_mode))


def deep(top, depth, *, beside=()):
    """Make directories in each other, and in the deepest a file of 7 bytes; in each of them those that are to be `beside`, with a file of 1 byte."""
    place = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(NAME, dir_fd=place)
        for name in beside:
            os.mkdir(name, dir_fd=place)
            write(f"{name}/file", 1, place)
        below = os.open(NAME, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = below
    write("file", 7, place)
    os.close(place)


def write(name, size, place=None):
    """Make a file of a size."""
    with open(os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=place), "wb") as file:  # noqa: PTH123 - below a descriptor
        file.write(b"x" * size)


def test_every_file_is_found_once(top):
    (top / "a" / "b").mkdir(parents=True)
    for size, name in enumerate(("one", "a/two", "a/b/three"), start=1):
        write(top / name, size)
    (top / "link").symlink_to(top.parent)
    found = list(files.below(top))
    assert sizes(found) == [1, 2, 3]
    assert len(found) == 7


def test_files_deeper_than_any_path_are_found_with_few_descriptors(top):
    deep(top, DEPTH, beside=("aside", "zzz"))
    before, most, found = open_files(), 0, []
    for one in files.below(top):
        found.append(one)
        most = max(most, open_files() - before)
    assert sizes(found) == [*[1] * 2 * DEPTH, 7]
    assert most <= LEVELS_HELD_MAX + 4
    assert open_files() == before


def test_a_directory_that_becomes_a_link_leads_nowhere(top, tmp_path):
    (tmp_path / "outside").mkdir()
    write(tmp_path / "outside" / "secret", 99)
    (top / "inside").mkdir()
    found = files.below(top)
    seen = [next(found), next(found)]
    (top / "inside").rename(tmp_path / "moved")
    (top / "inside").symlink_to(tmp_path / "outside")
    assert sizes([*seen, *found]) == []


def test_a_directory_that_is_moved_meanwhile_leads_nowhere_else(top, tmp_path):
    """Far below, the way back is `..`: it is not gone if it leads elsewhere, and what is left on the right way is found all the same."""
    depth = LEVELS_HELD_MAX + 6
    deep(top, depth, beside=("aside", "zzz"))
    write(tmp_path / "outside", 99)
    found, seen = files.below(top), list[os.stat_result]()
    while 7 not in sizes(seen):
        seen.append(next(found))
    low = top.joinpath(*[NAME] * depth)
    low.rename(tmp_path / "moved")
    (tmp_path / "another").mkdir()
    seen += found
    assert sizes(seen) == [*[1] * 2 * depth, 7]
    scratch.remove_tree(tmp_path / "moved")


@pytest.mark.parametrize("mode", [0o000, 0o400, 0o100, 0o200])
def test_closed_directories_are_looked_through_and_stay_closed(top, mode):
    """Without the rights of root, as an ordinary user's agent is."""
    (top / "closed" / "below").mkdir(parents=True)
    write(top / "closed" / "below" / "file", 5)
    (top / "closed" / "below").chmod(mode)
    (top / "closed").chmod(mode)
    assert rights.without(lambda: sizes(files.below(top))) == "[5]"
    assert stat.S_IMODE((top / "closed").stat().st_mode) == mode


def test_what_is_not_there_is_nothing(top):
    assert list(files.below(top / "missing")) == []
    write(top / "file", 1)
    assert list(files.below(top / "file")) == []


def test_a_walk_that_is_given_up_leaves_nothing_open(top):
    deep(top, 3)
    before = open_files()
    found = files.below(top)
    for _ in range(4):
        next(found)
    found.close()
    assert open_files() == before


def open_files():
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))
