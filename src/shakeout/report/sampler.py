"""CPU and memory of each component while a test runs: a thread that reads /proc, more and more rarely.

A thread, because synchronous tests do not run the event loop. The first samples come quickly, so that a short test
has some; a long one is sampled twice a second.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from shakeout.process import procfs
from shakeout.report.model import Usage
from shakeout.timeline import moment

PAUSE_SECONDS_FIRST = 0.1
PAUSE_SECONDS_MAX = 0.5
PAUSE_GROWTH = 1.25
SAMPLES_MAX = 20_000

Members = Callable[[], Mapping[str, int]]
"""Pids by name of those that run now."""


@contextlib.contextmanager
def sampling(members: Members, into: list[Usage]) -> Iterator[None]:
    """While inside, append what the members and their children use."""
    stop = threading.Event()
    sampler = _Sampler(members, into)
    thread = threading.Thread(target=sampler.run, args=(stop,), name="shakeout sampler")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        sampler.sample()


def parse_usage(stat: str, statm: str) -> tuple[float, int]:
    """CPU seconds, those of children that were waited for included, and bytes of memory of its own.

    From /proc/<pid>/stat and statm. Shared pages count for nobody: a server's children share most.
    """
    fields = stat[stat.rindex(")") + 2 :].split()
    ticks = sum(int(field) for field in fields[11:15])
    resident, shared = (int(field) for field in statm.split()[1:3])
    return ticks / procfs.TICKS_PER_SECOND, (resident - shared) * procfs.PAGE_BYTES


class _Sampler:
    def __init__(self, members: Members, into: list[Usage]) -> None:
        self._members = members
        self._into = into
        self._trees: dict[int, list[int]] = {}
        self._known: frozenset[int] = frozenset()

    def run(self, stop: threading.Event) -> None:
        pause = PAUSE_SECONDS_FIRST
        self.sample()
        while not stop.wait(pause):
            self.sample()
            pause = min(pause * PAUSE_GROWTH, PAUSE_SECONDS_MAX)

    def sample(self) -> None:
        if len(self._into) > SAMPLES_MAX:
            return
        at = moment.now()
        for name, pid in self._members().items():
            usages = [used for one in (pid, *procfs.tree(pid)) if (used := _usage(one))]
            if usages:
                cpu = sum(used[0] for used in usages)
                memory = sum(used[1] for used in usages)
                self._into.append(Usage(at, name, cpu, memory))


def _usage(pid: int) -> tuple[float, int] | None:
    directory = Path("/proc") / str(pid)
    try:
        return parse_usage((directory / "stat").read_text(), (directory / "statm").read_text())
    except (OSError, ValueError, IndexError):  # gone, or going
        return None
