"""Directories of kernels that have gone, used again: only those that cannot be told from new ones, on a real file system."""

import os

import pytest

from quarterdeck.agent.kernels import spares
from quarterdeck.agent.kernels.scratch import Scratch
from shakeout import skips
from shakeout.skips import Prerequisite


@pytest.fixture
def root(tmp_path):
    """A scratch root."""
    opened = Scratch.open(tmp_path / "scratch")
    yield opened
    opened.close()


def used(root, kernel="one"):
    """The directory of a kernel that has gone."""
    place = root.directory(kernel)
    for one in (place, place / "work", place / "tmp"):
        one.mkdir(mode=0o700)
    return place


def test_what_a_kernel_left_is_gone_before_another_gets_its_directory(root):
    """A directory is empty for whoever gets it. Leave files, links and rights; the next kernel has the same directory, with nothing in it."""
    place = used(root)
    number = place.stat().st_ino
    (place / "work" / "secret").write_text("mine")
    (place / "tmp" / "link").symlink_to("/")
    (place / "work").chmod(0o777)
    root.remove("one", spare=True)
    assert not place.exists()
    assert root.provide("two")
    given = root.directory("two")
    assert given.stat().st_ino == number
    found = {
        str(path.relative_to(given)): path.stat().st_mode & 0o777 for path in given.rglob("*")
    }
    assert found == {"work": 0o700, "tmp": 0o700}
    assert not root.provide("three")


@pytest.mark.parametrize(
    "leave",
    [
        lambda place: (place / "work" / "deep").mkdir(),
        lambda place: (place / "tmp").rmdir(),
        lambda place: (place / "beside").mkdir(),
        lambda place: (place / "file").touch(),
        lambda place: os.setxattr(place / "work", "user.note", b"for the next"),
        lambda place: os.chown(place / "work", 12345, 12345),
        lambda place: _replace_by_link(place / "work"),
    ],
    ids=["directory", "gone", "beside", "file", "attribute", "owner", "link"],
)
def test_what_is_not_as_new_is_not_used_again(root, leave):
    """Whatever a user could leave on a directory is seen. Leave each; the directory is removed, and none is there to use again."""
    try:
        leave(used(root))
    except PermissionError as error:
        skips.skip(Prerequisite(f"the right to do this: {error}", "run as root"))
    root.remove("one", spare=True)
    assert not root.directory("one").exists()
    assert not root.provide("two")


def test_a_directory_that_was_large_is_not_used_again(root, monkeypatch):
    """A large directory stays slow on some file systems. Take every size for large."""
    monkeypatch.setattr(spares, "DIRECTORY_BYTES_MAX", -1)
    used(root)
    root.remove("one", spare=True)
    assert not root.provide("two")


def test_spares_are_few_and_do_not_outlive_their_agent(root, tmp_path):
    """There is a bound, and the next life of the agent begins without any. Remove 20; 16 stay; clean as a start does."""
    for number in range(20):
        used(root, str(number))
        root.remove(str(number), spare=True)
    hidden = [path.name for path in (tmp_path / "scratch" / ".state").glob(f"{spares.PREFIX}*")]
    assert len(hidden) == spares.SPARES_MAX
    root.clean(())
    assert list((tmp_path / "scratch" / ".state").glob(f"{spares.PREFIX}*")) == []
    assert not root.provide("two")


def test_other_kernels_directories_are_not_kept(root):
    """Without namespaces another process may have a directory open. Remove one of those; there is no spare one."""
    used(root)
    root.remove("one")
    assert not root.provide("two")


def test_spares_of_an_earlier_life_are_in_nobodys_way(tmp_path):
    """A killed agent leaves its spares. Keep one, begin another life without tidying, keep one more; nothing collides."""
    first = Scratch.open(tmp_path / "scratch")
    used(first)
    first.remove("one", spare=True)
    first.close()
    again = Scratch.open(tmp_path / "scratch")
    used(again, "two")
    again.remove("two", spare=True)
    assert again.provide("three")
    again.close()


def _replace_by_link(path):
    path.rmdir()
    path.symlink_to("/")
