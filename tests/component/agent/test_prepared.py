"""Directories made in advance for kernels to come: fresh, private, few, and none that a kernel has had."""

import contextlib
import fcntl
import os
import struct

import pytest

from quarterdeck.agent.kernels import prepared
from quarterdeck.agent.kernels.scratch import Scratch


@pytest.fixture
def root(tmp_path):
    """A scratch root."""
    opened = Scratch.open(tmp_path / "scratch")
    yield opened
    opened.close()


def test_a_kernel_gets_a_directory_that_was_made_for_it(root):
    """What is given is whole, empty and private. Prepare, take one; look at all that is in it."""
    assert not root.provide("early")
    root.prepare()
    assert root.provide("one")
    given = root.directory("one")
    found = {
        path.relative_to(given.parent).as_posix(): path.stat().st_mode & 0o777
        for path in (given, *given.rglob("*"))
    }
    assert found == {"one": 0o700, "one/work": 0o700, "one/tmp": 0o700}


@pytest.mark.parametrize("end", [Scratch.remove, Scratch.set_aside])
def test_none_that_a_kernel_has_had_is_given_again(root, end):
    """A user may have his directory open elsewhere. Hold one open, have it removed, give another; what is written there does not show in the one held."""
    root.prepare()
    assert root.provide("mine")
    held = os.open(root.directory("mine") / "work", os.O_RDONLY | os.O_DIRECTORY)
    end(root, "mine")
    for number in range(2 * prepared.COUNT):
        root.prepare()
        assert root.provide(f"yours-{number}")
        (root.directory(f"yours-{number}") / "work" / "secret").touch()
    with pytest.raises(FileNotFoundError):
        os.stat("secret", dir_fd=held)
    os.close(held)


def test_they_are_few_and_do_not_outlive_their_agent(root):
    """There is a bound, and the next life begins without any. Prepare twice; tidy as a start does."""
    root.prepare()
    root.prepare()
    assert len(list(root.state.glob(f"{prepared.PREFIX}*"))) == prepared.COUNT
    root.clean(())
    assert list(root.state.glob(f"{prepared.PREFIX}*")) == []
    assert not root.provide("one")


def test_more_are_wanted_when_some_were_taken(root):
    """They are made some at a time, before there are none. Take one after the other; see when there are few."""
    assert root.few
    root.prepare()
    spare = prepared.COUNT - prepared.FEW
    seen = [(root.provide(f"one-{number}"), root.few) for number in range(spare + 1)]
    assert seen == [(True, False)] * spare + [(True, True)]


def test_one_that_was_removed_is_missed_by_nobody(root, caplog):
    """Somebody may tidy under the agent. Remove what was prepared; the kernel makes its own directory, and the log says so."""
    root.prepare()
    for fresh in root.state.glob(f"{prepared.PREFIX}*"):
        for one in (*fresh.iterdir(), fresh):
            one.rmdir()
    assert not root.provide("one")
    assert "fresh-directory-lost" in caplog.text


def flags_of(directory, add=0):
    """Return what `lsattr` shows of a directory, as a number, after adding to it; 0 where the file system knows no such thing."""
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    found = 0
    with contextlib.suppress(OSError):
        (found,) = struct.unpack("l", fcntl.ioctl(opened, 0x80086601, bytes(8)))
        fcntl.ioctl(opened, 0x40086602, struct.pack("l", found | add))
        (found,) = struct.unpack("l", fcntl.ioctl(opened, 0x80086601, bytes(8)))
    os.close(opened)
    return found


def test_they_are_spread_where_the_file_system_can(root, tmp_path):
    """They have nothing to do with each other, and the file system is told so. Compare their place with a directory that got `chattr +T`."""
    (tmp_path / "other").mkdir()
    root.prepare()
    told = 0x20000
    assert flags_of(root.state) & told == flags_of(tmp_path / "other", add=told) & told
