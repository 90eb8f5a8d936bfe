"""Run directories: locks, staleness, and removing whatever is in them."""

import os
from pathlib import Path

import pytest

from shakeout.process import directories

LATER = 1e12


def test_run_directory_is_stale_when_unlocked_and_old(home: Path):
    directory, lock = directories.create(home, directories.new_run_id())
    assert directories.stale(home, LATER) == []
    os.close(lock)
    assert directories.stale(home, directory.stat().st_mtime) == []
    assert directories.stale(home, LATER) == [directory]


def test_run_directory_without_a_lock_file_is_stale_when_old(home: Path):
    directory, lock = directories.create(home, directories.new_run_id())
    os.close(lock)
    (directory / directories.LOCK).unlink()
    assert directories.stale(home, LATER) == [directory]


def test_other_directories_are_never_stale(home: Path):
    (home / "cache").mkdir()
    assert directories.stale(home, LATER) == []


def test_notes_survive_and_repeat(home: Path):
    for pid in (12, 13, 12):
        directories.note(home, directories.PIDS, str(pid))
    assert directories.started(home) == {12, 13}
    directories.note(home / "gone", directories.PIDS, "1")
    assert directories.started(home / "gone") == set()


def test_removal_copes_with_modes_links_and_sockets(home: Path):
    outside = home / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    inside = home / "inside"
    locked = inside / "a" / "locked"
    locked.mkdir(parents=True)
    (locked / "file").touch()
    (inside / "to-directory").symlink_to(outside)
    (inside / "to-nowhere").symlink_to("/no/such/place")
    os.mkfifo(inside / "fifo")
    for directory in (locked, inside / "a", inside):
        directory.chmod(0)
    assert directories.remove(inside)
    assert not inside.exists()
    assert (outside / "kept").exists()


def test_removal_of_a_deep_tree(home: Path):
    deep = below = home / "deep"
    for _ in range(400):
        below.mkdir()
        below = below / "d"
    assert directories.remove(deep)
    assert directories.remove(deep)


def test_home_must_be_ours(home: Path):
    assert directories.prepare_home(home / "new") == home / "new"
    (home / "link").symlink_to(home / "new")
    with pytest.raises(NotADirectoryError):
        directories.prepare_home(home / "link")


def test_a_directory_is_made_below_one_that_is_there(tmp_path: Path):
    directories.make_below(tmp_path, tmp_path / "cluster" / "agent")
    directories.make_below(tmp_path, tmp_path / "cluster" / "agent")
    assert (tmp_path / "cluster" / "agent").is_dir()


def test_a_directory_elsewhere_is_made_with_its_parents(tmp_path: Path):
    directories.make_below(tmp_path / "run", tmp_path / "elsewhere" / "agent")
    assert (tmp_path / "elsewhere" / "agent").is_dir()


def test_the_directory_of_a_run_that_has_ended_is_not_made_again(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        directories.make_below(tmp_path / "run", tmp_path / "run" / "agent")
    assert not (tmp_path / "run").exists()
