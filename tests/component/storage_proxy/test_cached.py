"""Small files are read without a thread if they are plain, in memory, and no link is on the way; everything else is left to the careful way."""

import fcntl
import os
import signal
from pathlib import Path

import pytest

from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.volumes import cached, walk

CONTENT = bytes(range(256)) * 16


@pytest.fixture
def place(tmp_path):
    """A directory with a file, and what stands in its way."""
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "file").write_bytes(CONTENT)
    (tmp_path / "empty").touch()
    (tmp_path / "link").symlink_to("below/file")
    (tmp_path / "around").symlink_to("below")
    (tmp_path / "up").symlink_to("..")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def test_small_file_is_read_as_it_is(place):
    found = cached.Cache(place).read(str(place / "below" / "file"), len(CONTENT))
    assert found is not None
    assert found.content == CONTENT
    assert found.found.st_ino == (place / "below" / "file").stat().st_ino
    empty = cached.Cache(place).read(str(place / "empty"), 0)
    assert empty is not None
    assert empty.content == b""


@pytest.mark.parametrize(
    "path",
    ["link", "around/file", "up/below/file", "pipe", "below", "none", "none/file", "empty/x"],
)
def test_what_is_no_plain_file_is_left_alone(place, path):
    """Look for links, at the end and on the way, a pipe without a writer, a directory and nothing; no answer, and no waiting for one."""
    assert cached.Cache(place).read(str(place / path), 1 << 20) is None


def test_larger_file_is_left_alone(place):
    assert cached.Cache(place).read(str(place / "below" / "file"), len(CONTENT) - 1) is None


def test_kernel_that_knows_no_such_call_is_no_error(place, monkeypatch):
    monkeypatch.setattr(cached, "_OPENAT2", 100_000)
    assert cached.Cache(place).read(str(place / "below" / "file"), 1 << 20) is None


def test_file_of_somebody_who_holds_a_lease_is_not_waited_for(place):
    """Hold a lease on a file as its owner may; it is left alone at once, and told as busy by the careful way."""
    holder = os.open(place / "below" / "file", os.O_RDWR)
    directory = os.open(place / "below", os.O_RDONLY)
    try:
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        fcntl.fcntl(holder, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        assert cached.Cache(place).read(str(place / "below" / "file"), 1 << 20) is None
        with pytest.raises(errors.FileBusy), walk.translated():
            walk.open_file(directory, "file")
    finally:
        os.close(holder)
        os.close(directory)


@pytest.mark.parametrize("root", ["/proc", "/sys"])
def test_file_systems_that_may_ask_elsewhere_are_left_alone(root):
    assert cached.Cache(Path(root)).read("/proc/self/status", 1 << 20) is None


def test_no_descriptor_stays_open(place):
    """Read each of them again and again; the process has as many open files as before."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("below/file", "link", "pipe", "below", "none", "empty"):
        for _ in range(20):
            cached.Cache(place).read(str(place / name), 1 << 20)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
