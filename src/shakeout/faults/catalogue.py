"""All faults that Shakeout knows, in one tuple, and for which members of a cluster each applies.

A `Kind` makes the faults of one name for one member; `cells` is the matrix that `coverage` fills.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shakeout.faults import clock, coverage, disk, memory, network, process, service
from shakeout.faults.coverage import Cell
from shakeout.faults.fault import Fault
from shakeout.system.cluster import Cluster

CALLS_NOBODY = "it calls nobody: its links are those of its callers"

Make = Callable[[Cluster, str], Sequence[Fault]]


@dataclass(frozen=True)
class Kind:
    """One line of the catalogue."""

    name: str
    summary: str
    make: Make
    """The faults of this kind that concern a member: one, or one for each link to somebody that it calls."""

    def faults(self, cluster: Cluster, member: str) -> tuple[Fault, ...]:
        """Those that can be injected into this member now."""
        return tuple(one for one in self.make(cluster, member) if not one.available(cluster))

    def reason(self, cluster: Cluster, member: str) -> str:
        """Empty when there are such faults, else why not."""
        reasons = [one.available(cluster) for one in self.make(cluster, member)]
        return "" if "" in reasons else next(iter(reasons), CALLS_NOBODY)


def _one(name: str, summary: str, make: Callable[[str], Fault]) -> Kind:
    return Kind(name, summary, lambda _cluster, member: (make(member),))


def _links(name: str, summary: str, make: Callable[[str, str], Fault]) -> Kind:
    return Kind(
        name,
        summary,
        lambda cluster, member: tuple(make(member, one) for one in _called(cluster, member)),
    )


def _called(cluster: Cluster, member: str) -> tuple[str, ...]:
    """Whom a member calls, by name."""
    kind = cluster.member(member).place.kind
    targets = {one.target.partition(".")[0] for one in cluster.system.edges if one.source == kind}
    running = [one for one in cluster.members.values() if one.running]
    return tuple(one.name for one in running if one.place.kind in targets)


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
    _one("disk-full", "no byte is left on its disk", disk.DiskFull),
    _one("disk-read-only", "its disk refuses writes", disk.DiskReadOnly),
    _links("cut", "connections are reset, and so are new ones", network.Cut),
    _links("cut-one-way", "what it sends does not arrive, and nobody is told", network.CutOneWay),
    _links("black-hole", "nothing arrives either way, and nobody is told", network.BlackHole),
    _links("delay", "everything is late", network.Delay),
    _links("bandwidth", "only so many bytes a second", network.Bandwidth),
    _links("drop-after", "connections are reset after so many bytes", network.DropAfter),
    _links("reset", "connections are reset, once", network.Reset),
    _links("half-open", "the other end is gone, and this one does not know", network.HalfOpen),
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
