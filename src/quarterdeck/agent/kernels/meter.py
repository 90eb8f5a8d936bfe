"""What a kernel uses, read from /proc and from its directory. It blocks; used by `agent.guard` in a thread.

A kernel's processes are the descendants of its own process and of the first of its pid namespace, or of its parent where there is none such:
orphans come back to those, so nobody leaves the tree.
"""

import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from quarterdeck.agent.kernels import disk, rooms

_PAGE = os.sysconf("SC_PAGESIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_PARENT, _TIMES, _THREADS, _RESIDENT = 1, slice(11, 15), 17, 21
"""Fields of /proc/<pid>/stat after the name."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Of all processes of a kernel: threads, memory that is theirs alone, processor time. Who adopts orphans does not count."""

    threads: int
    memory_bytes: int
    cpu_seconds: float
    memory_kills: int = 0
    """How many of them the operating system has ended because the kernel's room of memory was full."""


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    parent: int
    threads: int
    resident: int
    ticks: int


class ProcMeter:
    """The port `Meter` for kernels with directories below a root."""

    def __init__(
        self, directory: Callable[[str], Path], first: Callable[[str], int | None]
    ) -> None:
        """`directory`: where a kernel's directory is. `first`: the first process of its pid namespace, see `Launcher`."""
        self._directory = directory
        self._first = first

    def usage(self, kernel: str, pid: int, memory_bytes_max: int) -> Usage | None:
        """Return what the processes of a kernel use; None: they are gone. Memory is exact only if it is more than a maximum."""
        return _usage(pid, self._first(kernel), memory_bytes_max)

    def disk_bytes(self, kernel: str, pid: int) -> Generator[int, None, None]:
        """Count what a kernel's directory takes on disk, with files that are deleted but still open or mapped; the last number is that of all."""
        return disk.count(self._directory(kernel), self._pids(kernel, pid))

    def _pids(self, kernel: str, pid: int) -> Iterator[int]:
        process = _process(pid)
        for one in () if process is None else _all(process, self._first(kernel)):
            yield one.pid


def _usage(pid: int, first: int | None, memory_bytes_max: int) -> Usage | None:
    kernel = _process(pid)
    if kernel is None:
        return None
    everyone = list(_all(kernel, first))
    processes = [one for one in everyone if one.pid not in {kernel.parent, first}]
    memory = sum(one.resident for one in processes)
    if memory > memory_bytes_max:
        memory = sum(_proportional(one.pid) for one in processes)
    return Usage(
        threads=sum(one.threads for one in processes),
        memory_bytes=memory,
        cpu_seconds=sum(one.ticks for one in everyone) / _TICKS,
        memory_kills=0 if (room := rooms.room_of(pid)) is None else rooms.kills(room),
    )


def _all(kernel: _Process, first: int | None) -> Iterator[_Process]:
    """Yield a kernel's process, the others, and who adopts orphans."""
    if first is None:
        yield from _tree(kernel.parent)
    else:
        yield from _tree(kernel.pid, *((first,) if first else ()))


def _tree(*roots: int) -> Iterator[_Process]:
    """Yield processes and their descendants."""
    waiting, known = [*roots], {*roots}
    while waiting:
        process = _process(waiting.pop())
        if process is not None:
            yield process
            children = [pid for pid in _children(process.pid) if pid not in known]
            known.update(children)
            waiting += children


def _process(pid: int) -> _Process | None:
    text = _read(f"/proc/{pid}/stat")
    if not text:
        return None
    fields = text[text.rindex(b")") + 2 :].split()
    return _Process(
        pid,
        parent=int(fields[_PARENT]),
        threads=max(1, int(fields[_THREADS])),
        resident=int(fields[_RESIDENT]) * _PAGE,
        ticks=sum(map(int, fields[_TIMES])),
    )


def _children(pid: int) -> list[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - a path object for each is time that each look costs
    except OSError:
        return []
    return [
        int(child)
        for thread in threads
        for child in _read(f"/proc/{pid}/task/{thread}/children").split()
    ]


def _proportional(pid: int) -> int:
    """Return the memory of a process that is no file's, that which it shares divided by those who share it."""
    return sum(
        int(line.split()[1]) * 1024
        for line in _read(f"/proc/{pid}/smaps_rollup").splitlines()
        if line.startswith((b"Pss_Anon:", b"Pss_Shmem:"))
    )


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", 0) as file:  # noqa: PTH123 - see above
            return file.read(2**16)
    except OSError:
        return b""
