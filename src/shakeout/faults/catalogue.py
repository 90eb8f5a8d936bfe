"""All faults that Shakeout knows, in one tuple, and for which members of a cluster each applies.

A `Kind` makes the faults of one name for one member; `cells` is the matrix that `coverage` fills.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shakeout.faults import clock, coverage, memory, process, service
from shakeout.faults.coverage import Cell
from shakeout.faults.fault import Fault
from shakeout.system.cluster import Cluster

Make = Callable[[Cluster, str], Sequence[Fault]]


@dataclass(frozen=True)
class Kind:
    """One line of the catalogue."""

    name: str
    summary: str
    make: Make
    """The faults of this kind that concern a member: one, or one for each of its links."""
    none: str = "it does not apply"
    """Why `make` may give nothing."""

    def faults(self, cluster: Cluster, member: str) -> tuple[Fault, ...]:
        """Those that can be injected into this member now."""
        return tuple(one for one in self.make(cluster, member) if not one.available(cluster))

    def reason(self, cluster: Cluster, member: str) -> str:
        """Empty when there are such faults, else why not."""
        reasons = [one.available(cluster) for one in self.make(cluster, member)]
        return "" if "" in reasons else next(iter(reasons), self.none)


def _one(name: str, summary: str, make: Callable[[str], Fault]) -> Kind:
    return Kind(name, summary, lambda _cluster, member: (make(member),))


CATALOGUE: tuple[Kind, ...] = (
    _one("kill", "SIGKILL", process.Kill),
    _one("restart", "a graceful end, and a start", process.Restart),
    _one("pause", "SIGSTOP to all its processes, then SIGCONT", process.Pause),
    _one("slow-start", "a restart that hangs", process.SlowStart),
    _one("out-of-memory", "the kernel refuses it further pages", memory.OutOfMemory),
    _one("exhaustion", "no connection or descriptor is left", service.Exhaust),
    _one("flush", "all that a cache holds is lost", service.Flush),
    _one("read-only", "a service refuses writes", service.ReadOnly),
    _one("lease-loss", "all leases end at once", service.LoseLeases),
    _one("clock-skew", "its clock runs at another rate", clock.ClockSkew),
    _one("clock-jump", "its clock jumps, and jumps back", clock.ClockJump),
)


def kind(name: str) -> Kind:
    """By its name. Raises KeyError, which lists the names."""
    found = {one.name: one for one in CATALOGUE}
    if name not in found:
        raise KeyError(f"no fault {name!r}; known are {', '.join(found)}")
    return found[name]


def cells(cluster: Cluster) -> tuple[Cell, ...]:
    """Every member that runs by every fault, with the reason where it does not apply."""
    return tuple(
        Cell(name, one.name, one.reason(cluster, name))
        for one in CATALOGUE
        for name, member in cluster.members.items()
        if member.running
    )


def expect(cluster: Cluster) -> None:
    """Let the coverage of this run be complete only when every fault was injected wherever it applies."""
    coverage.RUN.expect(cluster.system.name, cells(cluster))
