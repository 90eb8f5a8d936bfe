"""Holds kernels to their limits: looks at what each uses, again and again, and ends one that goes too far, with the reason in words.

The operating system holds what it can hold by itself (see `kernels.limits`); this is for sums over the processes of a kernel.
"""

import asyncio
import logging
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from quarterdeck.agent.inventory.table import Entry
from quarterdeck.agent.kernels.meter import Usage
from quarterdeck.agent.ports import Kernel, Meter
from quarterdeck.base.clock import Clock
from quarterdeck.wire.sessions import Limits, Slots

LOOK_SECONDS = 0.3
DISK_LOOK_SECONDS = 1.0
DISK_SHARE_MAX = 0.05
"""How much of its time the guard may spend on counting the files of one kernel."""
DISK_SECONDS_MAX = 0.1
"""How long it counts those of one kernel in one look, while others wait: it goes on in the next."""
FULL_LOOKS_MAX = 6
"""So many looks in a row may find a kernel at its limit of processes: one that stays there is ended."""

_log = logging.getLogger(__name__)


@dataclass
class Watched:
    """What the guard remembers of a kernel."""

    full_looks: int = 0
    disk_at: float = 0.0
    """When its files are counted next."""
    counting: Generator[int, None, None] | None = None
    """The count that is under way, for which so much time was spent:"""
    spent: float = 0.0

    def stop(self) -> None:
        """Count no more, until the next time."""
        if self.counting is not None:
            self.counting.close()
        self.counting, self.spent = None, 0.0


class Guard:
    """Looks at the running kernels. `look` is for a loop."""

    def __init__(self, running: Callable[[], Sequence[Entry]], meter: Meter, clock: Clock) -> None:
        self._running = running
        self._meter = meter
        self._clock = clock
        self._watched: dict[str, Watched] = {}

    async def look(self) -> None:
        """Look at each kernel once."""
        entries = self._running()
        for gone in self._watched.keys() - {one.id for one in entries}:
            self._watched.pop(gone).stop()
        for one in entries:
            self._watched.setdefault(one.id, Watched())
        if not entries:
            return
        for entry, reason in await asyncio.to_thread(self._judge_all, entries):
            _end(entry, reason)

    def _judge_all(self, entries: Sequence[Entry]) -> list[tuple[Entry, str]]:
        judged = [(entry, self._judge(entry)) for entry in entries]
        return [(entry, reason) for entry, reason in judged if reason is not None]

    def _judge(self, entry: Entry) -> str | None:
        if entry.kernel is None or entry.kernel.pid == 0:
            return None
        watched, limits, slots = self._watched[entry.id], entry.request.limits, entry.request.slots
        used = self._meter.usage(entry.id, entry.kernel.pid, slots.memory_mib * 2**20)
        if used is None:
            return None
        full = used.threads >= limits.pids
        watched.full_looks = watched.full_looks + 1 if full else 0
        return excess(slots, limits, used, watched.full_looks) or self._judge_disk(
            entry, entry.kernel, watched
        )

    def _judge_disk(self, entry: Entry, kernel: Kernel, watched: Watched) -> str | None:
        begin = now = self._clock.monotonic()
        if begin < watched.disk_at:
            return None
        limit = entry.request.limits.disk_mib
        if watched.counting is None:
            watched.counting = self._meter.disk_bytes(entry.id, kernel.pid)
        for used in watched.counting:
            now = self._clock.monotonic()
            if used > limit * 2**20:
                watched.stop()
                return f"killed: disk limit {limit} MiB"
            if now - begin > DISK_SECONDS_MAX:
                watched.spent += now - begin
                return None
        spent = watched.spent + now - begin
        watched.stop()
        watched.disk_at = now + max(DISK_LOOK_SECONDS, spent / DISK_SHARE_MAX)
        return None


def excess(slots: Slots, limits: Limits, used: Usage, full_looks: int) -> str | None:
    """Return why a kernel must end, or None: it keeps its limits. Pure."""
    if used.memory_bytes > slots.memory_mib * 2**20 or used.memory_kills:
        return f"killed: memory limit {slots.memory_mib} MiB"
    if used.threads > limits.pids or full_looks >= FULL_LOOKS_MAX:
        return f"killed: process limit {limits.pids}"
    if limits.cpu_seconds is not None and used.cpu_seconds > limits.cpu_seconds:
        return f"killed: time limit {limits.cpu_seconds} s of processor time"
    return None


def _end(entry: Entry, reason: str) -> None:
    if entry.kernel is None:
        return
    _log.warning("kernel-over-limit", extra={"kernel": entry.id, "reason": reason})
    entry.kernel.condemn(reason)
