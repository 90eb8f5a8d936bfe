"""What a kernel takes on disk: all below its directory, and what no name leads to any more but its processes still hold. Used by `meter`."""

import contextlib
import itertools
import os
import stat
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from quarterdeck.agent.kernels import files

_BLOCK, _FILE = 512, 1024
"""What a block is, and what any file costs besides: empty ones fill a disk too."""
_DESCRIPTORS_MAX = 4096
_MAPS_BYTES_MAX = 2**24
_FILES_AT_ONCE = 256
"""So many are counted before a number is told."""
_DELETED = b" (deleted)"
_MEMORY = (b"/memfd:", b"/dev/zero", b"/dev/shm/", b"/SYSV")
"""Names of mapped files that are none of a disk's."""
_WORD_BITS = 8


class File(NamedTuple):
    """A file, by its device and number, and what it takes."""

    device: int
    number: int
    taken: int


class Seen:
    """Files that were counted. The numbers of files that are made one after the other are neighbours: a million take little."""

    def __init__(self) -> None:
        self._words: dict[tuple[int, int], int] = {}

    def note(self, file: File) -> bool:
        """Take note of a file; tell whether it is new."""
        word, bit = file.number >> _WORD_BITS, 1 << (file.number & (2**_WORD_BITS - 1))
        known = self._words.get((file.device, word), 0)
        self._words[file.device, word] = known | bit
        return not known & bit


def count(directory: Path, processes: Iterable[int]) -> Generator[int, None, None]:
    """Give what a directory takes and what processes hold, as far as it is counted; the last number is that of all."""
    seen, total = Seen(), 0
    with contextlib.closing(_all(directory, processes)) as found:
        while some := tuple(itertools.islice(found, _FILES_AT_ONCE)):
            total += sum(one.taken for one in some if seen.note(one))
            yield total


def _all(directory: Path, processes: Iterable[int]) -> Generator[File, None, None]:
    with contextlib.closing(files.below(directory)) as named:
        for found in named:
            yield _file(found)
    for pid in processes:
        yield from _open(pid)
        yield from _mapped(pid)


def _file(found: os.stat_result) -> File:
    return File(found.st_dev, found.st_ino, found.st_blocks * _BLOCK + _FILE)


def _open(pid: int) -> Iterator[File]:
    """Yield the files that a process has open though no name leads to them."""
    try:
        names = os.listdir(f"/proc/{pid}/fd")[:_DESCRIPTORS_MAX]  # noqa: PTH208 - a path object for each is time that each look costs
    except OSError:
        return
    for name in names:
        if (found := _nameless(f"/proc/{pid}/fd/{name}")) is not None:
            yield found


def _mapped(pid: int) -> Iterator[File]:
    """Yield the files that a process has mapped though no name leads to them. Who may not look at them knows the size of the mapping only."""
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:  # noqa: PTH123 - see above
            lines = file.read(_MAPS_BYTES_MAX).splitlines()
    except OSError:
        return
    for line in lines:
        if not line.endswith(_DELETED):
            continue
        span, _, _, device, number, name = line.split(maxsplit=5)
        if name.startswith(_MEMORY):
            continue
        try:
            found = _nameless(f"/proc/{pid}/map_files/{span.decode()}", follow=True)
        except PermissionError:
            found = File(_device(device), int(number), _length(span))
        if found is not None:
            yield found


def _nameless(path: str, *, follow: bool = False) -> File | None:
    """Return a regular file without a name. Raises PermissionError if that is to be known (`follow`)."""
    try:
        found = os.stat(path)  # noqa: PTH116 - see above
    except OSError as error:
        if follow and isinstance(error, PermissionError):
            raise
        return None
    return _file(found) if stat.S_ISREG(found.st_mode) and found.st_nlink == 0 else None


def _device(text: bytes) -> int:
    major, minor = text.split(b":")
    return os.makedev(int(major, 16), int(minor, 16))


def _length(span: bytes) -> int:
    first, end = span.split(b"-")
    return int(end, 16) - int(first, 16)
