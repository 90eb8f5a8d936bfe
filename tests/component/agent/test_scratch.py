"""The directories of kernels on a real file system: one owner, anything in them removed, nothing outside touched."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from quarterdeck.agent.kernels import scratch
from quarterdeck.agent.kernels.errors import ScratchInUse
from quarterdeck.agent.kernels.scratch import Scratch


def deepen(top, depth):
    """Make directories in directories, deeper than any path may be long."""
    here = os.open(top, os.O_DIRECTORY)
    for _ in range(depth):
        os.mkdir("d" * 100, dir_fd=here)
        below = os.open("d" * 100, os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT, dir_fd=here))
    os.close(here)


def refuse(top):
    """Remove nothing."""
    raise OSError(errno.EIO, "Input/output error", str(top))


def remains(root):
    """What is there of kernels that are gone."""
    return [*root.state.glob(f"{scratch.USED}*"), *root.directory("").glob(f"*{scratch.LEFT}")]


def test_a_tree_of_any_depth_is_removed(tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    deepen(top, 1500)
    scratch.remove_tree(top)
    assert list(tmp_path.iterdir()) == []


def test_a_tree_with_any_names_kinds_and_permissions_is_removed(tmp_path):
    top = tmp_path / "top"
    (top / "closed" / "inside" / "file").mkdir(parents=True)
    (top / ".removed-0").mkdir()
    (top / ".removed-1").write_text("")
    os.mkfifo(top / "fifo")
    (top / "new\nline \udcff").write_text("")
    for directory in (top / "closed" / "inside", top / "closed", top):
        directory.chmod(0)
    scratch.remove_tree(top)
    assert list(tmp_path.iterdir()) == []


def test_names_that_a_user_foresaw_are_removed(tmp_path):
    top = tmp_path / "top"
    (top / "work" / "inside" / "file").mkdir(parents=True)
    for number in range(3):
        (top / f".removed-{number}" / "full" / "of" / "it").mkdir(parents=True)
    scratch.remove_tree(top)
    assert list(tmp_path.iterdir()) == []


def test_links_are_removed_and_their_targets_are_not(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("kept")
    top = tmp_path / "top"
    top.mkdir()
    (top / "link").symlink_to(tmp_path / "kept")
    (top / "hard").hardlink_to(tmp_path / "kept" / "file")
    scratch.remove_tree(top)
    assert (tmp_path / "kept" / "file").read_text() == "kept"
    assert not top.exists()


def test_what_is_not_there_is_removed_already(tmp_path):
    scratch.remove_tree(tmp_path / "nothing")


def made(root, kernel):
    """Make a kernel's directory as a kernel does; return it."""
    for one in ("", "work", "tmp"):
        (root.directory(kernel) / one).mkdir()
    return root.directory(kernel)


def test_what_was_left_empty_is_gone_at_once_and_removed_with_the_next_ones_made(tmp_path):
    """A kernel without files costs no turn of a thread. Set two aside, look; prepare, look again."""
    root = Scratch.open(tmp_path / "scratch")
    for kernel in ("one", "two"):
        made(root, kernel)
        assert root.set_aside(kernel)
    assert {path.name for path in (tmp_path / "scratch").iterdir()} == {".lock", ".state"}
    assert len(list(root.state.glob(f"{scratch.USED}*"))) == 2
    root.prepare()
    assert list(root.state.glob(f"{scratch.USED}*")) == []
    root.close()


@pytest.mark.parametrize(
    "leave",
    [
        lambda top: (top / "work" / "file").touch(),
        lambda top: (top / "tmp" / "inside").mkdir(),
        lambda top: (top / ".file").touch(),
        lambda top: (top / "work").rmdir(),
        lambda top: [(top / str(number)).touch() for number in range(5)],
        lambda top: ((top / "tmp").rmdir(), (top / "tmp").write_text("a file")),
        lambda top: ((top / "tmp").rmdir(), (top / "tmp").symlink_to(top / "work")),
    ],
)
def test_what_somebody_has_left_is_not_set_aside(tmp_path, leave):
    """Files are gone when a kernel is, not later. Leave something of each kind: it stays where it is, for `remove`."""
    root = Scratch.open(tmp_path / "scratch")
    top = made(root, "one")
    leave(top)
    assert not root.set_aside("one")
    assert top.is_dir()
    root.remove("one")
    assert not top.exists()
    root.close()


def test_what_takes_long_to_look_into_is_not_set_aside(tmp_path):
    """A directory that had thousands of files may stay large when they are gone, and is removed by a thread. A large one is not set aside, be it empty."""
    root = Scratch.open(tmp_path / "scratch")
    work = made(root, "one") / "work"
    for number in range(500):
        (work / f"{number:0200}").touch()
    for entry in work.iterdir():
        entry.unlink()
    is_large = work.stat().st_size > 4096
    assert root.set_aside("one") is not is_large
    root.remove("one")
    root.close()


def test_what_is_written_into_one_that_was_set_aside_is_removed_with_it(tmp_path):
    """Somebody may have it open elsewhere. Write through a descriptor; prepare: nothing is left."""
    root = Scratch.open(tmp_path / "scratch")
    held = os.open(made(root, "one") / "work", os.O_RDONLY | os.O_DIRECTORY)
    assert root.set_aside("one")
    os.close(os.open("late", os.O_CREAT, dir_fd=held))
    os.close(held)
    root.prepare()
    assert list(root.state.glob(f"{scratch.USED}*")) == []
    root.close()


def test_nothing_that_was_set_aside_outlives_its_agent(tmp_path):
    """The agent may be killed before it removes it. Set one aside, open the root anew as the next life does, and clean."""
    root = Scratch.open(tmp_path / "scratch")
    made(root, "one")
    assert root.set_aside("one")
    root.close()
    following = Scratch.open(tmp_path / "scratch")
    following.clean(())
    assert list(following.state.iterdir()) == []
    following.close()


def test_what_is_not_there_is_not_set_aside(tmp_path):
    root = Scratch.open(tmp_path / "scratch")
    assert not root.set_aside("nothing")
    root.close()


def test_a_scratch_root_has_one_owner(tmp_path):
    first = Scratch.open(tmp_path / "scratch")
    with pytest.raises(ScratchInUse):
        Scratch.open(tmp_path / "scratch")
    first.close()
    Scratch.open(tmp_path / "scratch").close()


def test_the_root_is_private(tmp_path):
    Scratch.open(tmp_path / "a" / "scratch").close()
    assert (tmp_path / "a" / "scratch").stat().st_mode & 0o777 == 0o700


def test_cleaning_removes_what_dead_kernels_left_and_their_processes(tmp_path):
    left, kept = (tmp_path / "scratch" / kernel / "work" for kernel in ("dead", "alive"))
    left.mkdir(parents=True)
    kept.mkdir(parents=True)
    (tmp_path / "scratch" / "file").touch()
    (tmp_path / "scratch" / "link").symlink_to(tmp_path)
    root = Scratch.open(tmp_path / "scratch")
    with (
        subprocess.Popen(["sleep", "1000"], cwd=left) as stray,
        subprocess.Popen(["sleep", "1000"], cwd=kept) as other,
    ):
        root.clean(["alive"])
        assert stray.wait(5) == -9
        assert other.poll() is None
        other.kill()
    root.close()
    assert {path.name for path in (tmp_path / "scratch").iterdir()} == {".lock", ".state", "alive"}


@pytest.mark.parametrize("life", ["this", "earlier"])
def test_what_cannot_be_removed_is_removed_later(tmp_path, monkeypatch, life):
    """A disk that refuses once keeps nothing for ever. Have the removal of what this life set aside fail, or of what an earlier one left; later it goes, and a kernel of the same name keeps its own."""
    root = Scratch.open(tmp_path / "scratch")
    made(root, "k")
    if life == "this":
        assert root.set_aside("k")
        (root.state / f"{scratch.USED}k" / "work" / "file").touch()
    with monkeypatch.context() as broken:
        broken.setattr(scratch, "remove_tree", refuse)
        root.clean(()) if life == "earlier" else root.prepare()
    assert remains(root) != []
    made(root, "k")
    root.prepare()
    assert remains(root) == []
    assert root.directory("k").is_dir()
    root.close()


def test_the_caller_is_not_taken_for_a_stray(tmp_path, monkeypatch):
    (tmp_path / "scratch").mkdir()
    monkeypatch.chdir(tmp_path)
    root = Scratch.open(tmp_path / "scratch")
    root.clean(())
    root.close()
    assert Path.cwd() == tmp_path


@pytest.mark.parametrize("place", ["scratch", "scratch/.state"])
def test_something_else_in_its_place_is_moved_aside_and_told(tmp_path, place):
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_text("what is this")
    root = Scratch.open(tmp_path / "scratch")
    assert (root.usable, root.state.is_dir()) == (True, True)
    assert path.with_name(f"{path.name}.damaged").read_text() == "what is this"
    assert "no directory" in " ".join(root.damage)
    root.close()


def test_a_root_that_cannot_be_is_told_and_stops_nobody(tmp_path):
    (tmp_path / "file").touch()
    root = Scratch.open(tmp_path / "file" / "scratch")
    assert not root.usable
    assert "unusable" in " ".join(root.damage)
    root.clean(())
    root.close()
