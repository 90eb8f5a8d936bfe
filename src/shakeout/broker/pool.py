"""The warm clusters of a broker: booted ahead, handed out to one user at a time, taken back clean or thrown away.

A cluster is `fresh` until it was leased, then `used`. Private clusters are fresh ones; they never come back.
"""

import asyncio
import collections
import contextlib
import importlib
import itertools
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from shakeout.broker.shape import Shape
from shakeout.process import procfs
from shakeout.process.errors import HarnessDied, ProcessError
from shakeout.process.supervisor import Supervisor
from shakeout.system import boot
from shakeout.system.cluster import Cluster
from shakeout.system.errors import NotFound
from shakeout.system.model import System, Topology

CORES = os.cpu_count() or 1
CLUSTERS_MAX = 16 + 4 * CORES
"""All together, also those on lease."""
USED_MAX = 2 + CORES
"""Clusters of one shape that wait for another user."""
SPARE_MEMORY_MIB_MIN = 1024
"""With less to spare no cluster is booted ahead."""


class Full(Exception):
    """As many clusters run as may."""


@dataclass(eq=False)
class Waiter:
    """Somebody who waits for a cluster, a private one perhaps."""

    private: bool
    cluster: asyncio.Future[Cluster]


@dataclass
class Shelf:
    """All clusters of one shape that are not on lease, and who waits for one, the longest first."""

    fresh: list[Cluster] = field(default_factory=list)
    used: list[Cluster] = field(default_factory=list)
    waiting: list[Waiter] = field(default_factory=list)
    booting: int = 0

    def next_waiter(self, *, used: bool) -> Waiter | None:
        """Whose turn it is to get a cluster, one that was used or a fresh one, if anybody still waits."""
        self.waiting = [one for one in self.waiting if not one.cluster.done()]
        fitting = (one for one in self.waiting if not (used and one.private))
        found = next(fitting, None)
        if found is not None:
            self.waiting.remove(found)
        return found

    def idle(self) -> Cluster | None:
        """Take a cluster that nobody has, one that was used first."""
        clusters = self.used or self.fresh
        return clusters.pop(0) if clusters else None


class Pool:
    """Clusters by shape. Boots run in the task group that is given."""

    def __init__(self, supervisor: Supervisor, group: asyncio.TaskGroup) -> None:
        self._supervisor = supervisor
        self._group = group
        self._shelves: collections.defaultdict[Shape, Shelf] = collections.defaultdict(Shelf)
        self._numbers = itertools.count(1)
        self._count = 0
        self._had_users: set[str] = set()

    async def take(self, shape: Shape, *, private: bool) -> Cluster:
        """A healthy cluster that is nobody else's from now on. Raises Full, and whatever ends a boot."""
        shelf = self._shelves[shape]
        found = self._pick(shelf, private=private)
        if found is None:
            if self._count >= CLUSTERS_MAX and not self._evict():
                raise Full(f"{CLUSTERS_MAX} clusters run already, all of them in use")
            waiter = Waiter(private, asyncio.get_running_loop().create_future())
            shelf.waiting.append(waiter)
            self._boot_for_all(shape, shelf)
            found = await waiter.cluster
        self._boot_ahead(shape, shelf)
        return found

    def put_back(self, shape: Shape, cluster: Cluster, *, fresh: bool) -> None:
        """Take a clean cluster for the next user, who may be waiting already. `fresh`: its last user has not begun."""
        shelf = self._shelves[shape]
        if not fresh:
            self._had_users.add(cluster.name)
        fresh = self.is_fresh(cluster)
        if waiter := shelf.next_waiter(used=not fresh):
            waiter.cluster.set_result(cluster)
        elif fresh:
            shelf.fresh.append(cluster)
        elif len(shelf.used) < USED_MAX:
            shelf.used.append(cluster)
        else:
            self.throw_away(cluster)

    def throw_away(self, cluster: Cluster) -> None:
        """End a cluster, whatever state it is in."""
        self._count -= 1
        self._had_users.discard(cluster.name)
        self._group.create_task(_abandon(cluster))

    def is_fresh(self, cluster: Cluster) -> bool:
        """Whether nobody has used it yet."""
        return cluster.name not in self._had_users

    def forget_dead(self) -> None:
        """Throw away what died while nobody used it."""
        for shelf in self._shelves.values():
            for clusters in (shelf.fresh, shelf.used):
                for cluster in [one for one in clusters if not _is_healthy(one)]:
                    clusters.remove(cluster)
                    self.throw_away(cluster)

    def counts(self) -> dict[str, int]:
        """How many clusters there are, by what they do."""
        shelves = self._shelves.values()
        fresh, used = (
            sum(len(getattr(one, kind)) for one in shelves) for kind in ("fresh", "used")
        )
        booting = sum(one.booting for one in shelves)
        leased = self._count - fresh - used - booting
        return {"fresh": fresh, "used": used, "booting": booting, "leased": leased}

    def _pick(self, shelf: Shelf, *, private: bool) -> Cluster | None:
        self.forget_dead()
        if shelf.used and not private:
            return shelf.used.pop()
        return shelf.fresh.pop() if shelf.fresh else None

    def _evict(self) -> bool:
        """Make room by the end of a cluster that nobody has, of whatever shape; False if there is none."""
        found = next((one for shelf in self._shelves.values() if (one := shelf.idle())), None)
        if found is not None:
            self.throw_away(found)
        return found is not None

    def _boot_for_all(self, shape: Shape, shelf: Shelf) -> None:
        while shelf.booting < len(shelf.waiting):
            self._begin(shape, shelf)

    def _boot_ahead(self, shape: Shape, shelf: Shelf) -> None:
        nothing_comes = not shelf.fresh and shelf.booting <= len(shelf.waiting)
        if nothing_comes and self._count < CLUSTERS_MAX and _spare_mib() >= SPARE_MEMORY_MIB_MIN:
            self._begin(shape, shelf)

    def _begin(self, shape: Shape, shelf: Shelf) -> None:
        self._count += 1
        shelf.booting += 1
        self._group.create_task(self._boot(shape, shelf))

    async def _boot(self, shape: Shape, shelf: Shelf) -> None:
        try:
            cluster = await self._booted(shape)
        except Exception as error:  # noqa: BLE001 (the user's code runs here, too; whoever asked is told)
            self._count -= 1
            if waiter := shelf.next_waiter(used=False):
                waiter.cluster.set_exception(error)
            else:
                sys.stderr.write(f"booting {shape.system} ahead failed: {error!r}\n")
        else:
            self.put_back(shape, cluster, fresh=True)
        finally:
            shelf.booting -= 1

    async def _booted(self, shape: Shape) -> Cluster:
        cluster = await boot.boot(
            _load(shape.system),
            self._supervisor,
            name=f"c{next(self._numbers)}",
            topology=Topology(dict(shape.replicas)),
            durable=shape.durable,
        )
        try:
            await cluster.host.scope.complete()
        except ProcessError:
            await cluster.abandon()
            raise
        return cluster


async def _abandon(cluster: Cluster) -> None:
    with contextlib.suppress(HarnessDied):
        await cluster.abandon()


def _load(reference: str) -> System:
    module, _, attribute = reference.partition(":")
    found = getattr(importlib.import_module(module), attribute, None)
    if not isinstance(found, System):
        raise NotFound(f"{reference} is no System in the broker")
    return found


def _is_healthy(cluster: Cluster) -> bool:
    """Whether all that was started lives, also by the kernel's own word, which comes before the spawner's."""
    pids = [one.process.pid for one in cluster.members.values() if one.process and one.running]
    seen = [procfs.stat(pid) for pid in pids]
    return not cluster.deaths() and all(found is not None and found.alive for found in seen)


def _spare_mib() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) >> 10
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGESIZE") >> 20
