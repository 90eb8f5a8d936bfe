"""CPU and memory of each component while a test runs: a thread that reads /proc, more and more rarely.

A thread, because synchronous tests do not run the event loop. The first samples come quickly, so that a short test
has some; a long one is sampled twice a second. Who the children of a component are is asked once a second.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping

from shakeout.process import procfs
from shakeout.report.model import Usage
from shakeout.timeline import moment

PAUSE_SECONDS_FIRST = 0.1
PAUSE_SECONDS_MAX = 0.5
PAUSE_GROWTH = 1.25
CHILDREN_SECONDS = 1.0
SAMPLES_MAX = 20_000
FILE_BYTES_MAX = 4096


class Sampler:
    """Samples the members of one cluster, in one test after the other."""

    def __init__(self, members: Callable[[], Mapping[str, int]]) -> None:
        """`members` gives the pids by name of those that run now."""
        self._members = members
        self._trees: dict[int, list[int]] = {}
        self._asked = 0.0

    @contextlib.contextmanager
    def sampling(
        self, into: list[Usage], prefix: str = "", also: Callable[[], object] = bool
    ) -> Iterator[None]:
        """While inside, append what the members and their children use; names get the prefix.

        `also` is called each time, too, in a thread of its own.
        """
        stop = threading.Event()
        arguments = (stop, into, prefix, also)
        thread = threading.Thread(target=self._run, args=arguments, name="shakeout sampler")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self._sample(into, prefix)

    def _run(
        self,
        stop: threading.Event,
        into: list[Usage],
        prefix: str,
        also: Callable[[], object],
    ) -> None:
        pause = PAUSE_SECONDS_FIRST
        self._sample(into, prefix)
        while not stop.wait(pause) and len(into) < SAMPLES_MAX:
            also()
            self._sample(into, prefix)
            pause = min(pause * PAUSE_GROWTH, PAUSE_SECONDS_MAX)

    def _sample(self, into: list[Usage], prefix: str) -> None:
        at = moment.now()
        members = self._members()
        if at - self._asked > CHILDREN_SECONDS or not self._trees.keys() >= set(members.values()):
            self._trees = {pid: [pid, *procfs.tree(pid)] for pid in members.values()}
            self._asked = at
        for name, pid in members.items():
            usages = [used for one in self._trees[pid] if (used := _usage(one))]
            if usages:
                cpu = sum(used[0] for used in usages)
                memory = sum(used[1] for used in usages)
                into.append(Usage(at, prefix + name, cpu, memory))


def parse_usage(stat: bytes, statm: bytes) -> tuple[float, int]:
    """CPU seconds, those of children that were waited for included, and bytes of memory of its own.

    From /proc/<pid>/stat and statm. Shared pages count for nobody: a server's children share most.
    """
    fields = stat[stat.rindex(b")") + 2 :].split(maxsplit=16)
    ticks = sum(int(field) for field in fields[11:15])
    _, resident, shared, _ = statm.split(maxsplit=3)
    return ticks / procfs.TICKS_PER_SECOND, (int(resident) - int(shared)) * procfs.PAGE_BYTES


def _usage(pid: int) -> tuple[float, int] | None:
    try:
        return parse_usage(_read(f"/proc/{pid}/stat"), _read(f"/proc/{pid}/statm"))
    except (OSError, ValueError):  # gone, or going
        return None


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, FILE_BYTES_MAX)
    finally:
        os.close(descriptor)
