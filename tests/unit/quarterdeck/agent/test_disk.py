"""What a kernel takes on disk: counted once each, with little memory for many, and with what has no name any more."""

import ctypes
import mmap
import os
import tracemalloc

import pytest

from quarterdeck.agent.kernels import disk
from quarterdeck.agent.kernels.disk import File, Seen
from quarterdeck.testing import rights

FILES = 200_000
SEEN_BYTES_MAX = 2**20


def test_a_file_is_counted_once_for_all_its_names(tmp_path):
    (tmp_path / "one").write_bytes(b"x" * 2**20)
    (alone,) = disk.count(tmp_path, ())
    (tmp_path / "two").hardlink_to(tmp_path / "one")
    assert list(disk.count(tmp_path, ())) == [alone]
    assert alone > 2**20


def test_what_is_seen_is_known_by_device_and_number():
    seen = Seen()
    files = [File(1, 1, 0), File(1, 2, 0), File(2, 1, 0), File(1, 2**63, 0)]
    assert [seen.note(one) for one in (*files, *files)] == [True] * 4 + [False] * 4


def test_many_files_take_little_memory_of_who_counts_them():
    """An attacker has as many files as he likes: the agent's memory is not his."""
    seen = Seen()
    tracemalloc.start()
    assert all(seen.note(File(1, number, 0)) for number in range(FILES))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < SEEN_BYTES_MAX


@pytest.mark.parametrize(
    "within", [lambda work: repr(work()), rights.without], ids=["root", "any"]
)
def test_what_has_no_name_counts_while_it_is_mapped(tmp_path, within):
    """Of this very process: a file that is mapped and neither named nor open. Who may not look at the file counts what is mapped of it."""
    before = total(tmp_path)
    file = os.open(tmp_path / "gone", os.O_RDWR | os.O_CREAT)
    os.write(file, bytes(2**20))
    (tmp_path / "gone").unlink()
    assert total(tmp_path) - before >= 2**20
    place = MAP(None, 2**20, mmap.PROT_READ, mmap.MAP_SHARED, file, 0)
    os.close(file)
    assert int(within(lambda: total(tmp_path))) - before >= 2**20
    assert UNMAP(place, 2**20) == 0
    assert total(tmp_path) - before < 2**20


MAP, UNMAP = ctypes.CDLL(None).mmap, ctypes.CDLL(None).munmap
MAP.restype, MAP.argtypes = (
    ctypes.c_void_p,
    [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long],
)
UNMAP.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


def total(directory):
    """What a directory and this process take."""
    return list(disk.count(directory, [os.getpid()]))[-1]
