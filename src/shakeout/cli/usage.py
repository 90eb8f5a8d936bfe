"""What a process and its descendants cost, read from /proc."""

from dataclasses import dataclass

from shakeout.process import procfs

KIBIBYTE = 1024


@dataclass(frozen=True)
class Usage:
    """Cost of one component with everything that it started.

    Memory is the proportional share: pages that several processes use are counted once in all.
    """

    processes: int
    cpu_seconds: float
    memory_bytes: int
    uptime_seconds: float

    @property
    def cpu_percent(self) -> float:
        """Of one core, on average since the start."""
        return 100 * self.cpu_seconds / max(self.uptime_seconds, 0.01)


def measure(pid: int) -> Usage | None:
    """None when the process has ended."""
    top = procfs.stat(pid)
    if top is None or not top.alive:
        return None
    family = [top, *procfs.descendants(pid)]
    return Usage(
        processes=len(family),
        cpu_seconds=sum(one.cpu_seconds for one in family),
        memory_bytes=sum(_memory_bytes(one) for one in family),
        uptime_seconds=_machine_uptime_seconds() - top.started / procfs.TICKS_PER_SECOND,
    )


def parse_share(smaps_rollup: str) -> int:
    """Proportional share in bytes. Pure; raises ValueError where the kernel tells none."""
    for line in smaps_rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * KIBIBYTE
    raise ValueError("no Pss")


def _memory_bytes(process: procfs.Stat) -> int:
    try:
        return parse_share((procfs.PROC / str(process.pid) / "smaps_rollup").read_text())
    except (OSError, ValueError):
        return process.resident_bytes


def _machine_uptime_seconds() -> float:
    return float((procfs.PROC / "uptime").read_text().split()[0])
