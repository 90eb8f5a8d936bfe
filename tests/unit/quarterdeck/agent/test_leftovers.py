"""What could not be removed is tried again: at a pace that gets slower, and told once."""

import errno
import itertools

import pytest

from quarterdeck.agent.kernels import leftovers
from quarterdeck.agent.kernels.leftovers import Leftovers


class Disk:
    """Removes directories, unless they are `busy`."""

    def __init__(self, *busy):
        self.busy = set(busy)
        self.tried = []

    def remove(self, path):
        self.tried.append(path.name)
        if path.name in self.busy:
            raise OSError(errno.EBUSY, "Busy")


@pytest.fixture
def disk():
    """One on which two are busy."""
    return Disk("a", "b")


def test_what_stays_is_tried_again_until_it_is_gone_and_told_once(disk, tmp_path, caplog):
    """A directory that was busy once is no directory for ever. Have two stay, then one be free; each is told once, the one goes and is not tried again."""
    caplog.set_level("INFO", leftovers.__name__)
    left = Leftovers(disk.remove)
    assert [left.remove(tmp_path / name) for name in "abc"] == [False, False, True]
    disk.busy = {"b"}
    for _ in range(3):
        left.try_again()
    assert disk.tried == ["a", "b", "c", "a", "b", "b"]
    told = [(one.getMessage(), one.kernel) for one in caplog.records]
    stays, removed = "scratch-leftover-stays", "scratch-leftover-removed"
    assert told == [(stays, "a"), (stays, "b"), (removed, "a")]


def test_pauses_between_attempts_grow_and_are_bounded(disk, tmp_path):
    """What never goes costs little. Take many turns; the attempts are further and further apart, but never more than so many turns."""
    left = Leftovers(disk.remove)
    left.remove(tmp_path / "a")
    turns = []
    for turn in range(4 * leftovers.TURNS_MAX):
        before = len(disk.tried)
        left.try_again()
        turns += [turn] * (len(disk.tried) - before)
    pauses = [later - earlier for earlier, later in itertools.pairwise(turns)]
    assert pauses == [2, 4, 8, 16, 32, 64, 64, 64]


def test_only_so_many_are_kept(disk, tmp_path, monkeypatch):
    monkeypatch.setattr(leftovers, "KEPT_MAX", 1)
    left = Leftovers(disk.remove)
    for name in "ab":
        left.remove(tmp_path / name)
    left.try_again()
    assert disk.tried == ["a", "b", "a"]
