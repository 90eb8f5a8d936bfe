"""Shared memory, which outlives its processes: files in /dev/shm, and System V segments.

Standard library only; `sweep` has them noted while processes live, and removed after.

The kernel does not tell who made a file, and /dev/shm holds files of others that programs of a run open.
So a file counts as made by a process only if that process had it writable within moments of its birth, and
is older than it. What remains open elsewhere, was made anew by somebody else, or whose birth the file system
does not tell, is left alone. Only what `shm_open` could have made counts: nothing in subdirectories.
"""

import contextlib
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from shakeout.process import directories, linux, procfs

FILES = "/dev/shm"
FRESH_NS_MAX = 2_000_000_000
CLOCK_NS_MAX = 20_000_000
"""So much older than its file may a process look younger: births are told by a clock that ticks each 10 ms or more often."""


class File(NamedTuple):
    """A file in /dev/shm; the time of its birth tells it from another of the same name."""

    born_ns: int
    path: str


def note_files(directory: Path, pids: Collection[int]) -> set[str]:
    """Write down which files these processes made just now; returns all that they can write to."""
    found: set[str] = set()
    noted: set[File] = set()
    youngest_first = sorted(pids, reverse=True)
    for pid in youngest_first:  # what was just made may be gone soon
        used = procfs.written(pid, FILES)
        made = {file for path in used if (file := _made(pid, path))}
        for file in made - noted:
            directories.note(directory, directories.SHARED, f"{file.born_ns} {file.path}")
        found |= used
        noted |= made
    return found


def noted_files(directory: Path) -> set[File]:
    """Read what `note_files` wrote down."""
    lines = (line.partition(" ") for line in directories.noted(directory, directories.SHARED))
    return {File(int(born), path) for born, _, path in lines if born.isdecimal()}


def remove_files(directory: Path, files: Collection[File]) -> None:
    """Remove these files, unless they are older than the run, somebody else's, or still open."""
    began = _began_ns(directory)
    there = [
        file
        for file in files
        if began is not None and began <= file.born_ns == linux.born_ns(file.path)
    ]
    if not there:
        return
    open_still = {path for each in procfs.everyone() for path in procfs.used(each.pid, FILES)}
    for file in there:
        with contextlib.suppress(OSError):
            if file.path not in open_still and os.lstat(file.path).st_uid == os.getuid():
                Path(file.path).unlink()


def remove_segments(directory: Path, creators: Collection[int]) -> None:
    """Remove System V segments made by these processes, dead by now, since the run began."""
    began = _began_ns(directory)
    for segment in procfs.segments():
        ours = segment.creator in creators and segment.uid == os.getuid()
        young = began is not None and (segment.changed + 1) * 1_000_000_000 > began
        if ours and young and not _is_alive(segment.creator):
            with contextlib.suppress(OSError):
                linux.remove_segment(segment.identifier)


def _made(pid: int, path: str) -> File | None:
    """The file, if it is so young that this process, which can write to it, must have made it."""
    born, started = linux.born_ns(path), _started_ns(pid)
    if born is None or started is None or started > born + CLOCK_NS_MAX:
        return None
    return File(born, path) if time.time_ns() - born < FRESH_NS_MAX else None


def _started_ns(pid: int) -> int | None:
    found = procfs.stat(pid)
    if found is None:
        return None
    booted = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return booted + found.started * (1_000_000_000 // procfs.TICKS_PER_SECOND)


def _is_alive(pid: int) -> bool:
    found = procfs.stat(pid)
    return found is not None and found.alive


def _began_ns(directory: Path) -> int | None:
    """When the run began: its lock file is made with it and never written."""
    try:
        return (directory / directories.LOCK).stat().st_mtime_ns
    except OSError:
        return None
