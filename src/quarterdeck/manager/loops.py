"""The manager's loops: what runs at which pace and what wakes it. `app` starts them all in one task group."""

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

from quarterdeck.base.tasks import Wake, every
from quarterdeck.manager.agents.service import AgentService
from quarterdeck.manager.events.feed import Feed
from quarterdeck.manager.folders.cloning import Cloning
from quarterdeck.manager.folders.discovery import HostDiscovery
from quarterdeck.manager.folders.removals import TreeRemoval
from quarterdeck.manager.folders.transferring import Transferring
from quarterdeck.manager.identity.cache import Cache
from quarterdeck.manager.images.rescan import Rescanner
from quarterdeck.manager.scheduling.service import Scheduler
from quarterdeck.manager.sessions.dependencies import Dependencies
from quarterdeck.manager.sessions.expiry import Expiry
from quarterdeck.manager.sessions.lifecycle import Lifecycle
from quarterdeck.manager.sessions.reconcile import Reconciler
from quarterdeck.manager.sessions.removals import KernelRemoval
from quarterdeck.manager.signals import Signals

WORKERS = 64
"""Sessions that one manager looks after at a time."""

RESCANS = 4
"""Registries that one manager looks at at a time."""

CLONES = 4
"""Folders that one manager has cloned at a time."""

SCHEDULING_SECONDS = 1.0
DEPENDENCIES_SECONDS = 1.0
EXPIRY_SECONDS = 1.0
SWEEP_SECONDS = 1.0
INVENTORY_SECONDS = 3.0
FEED_SECONDS = 5.0
REGISTRY_SECONDS = 5.0
DRAIN_SECONDS = 1.0
REMOVAL_SECONDS = 5.0
RESCAN_SECONDS = 5.0
CLONE_SECONDS = 5.0
RETRY_SECONDS = 1.0
IDLE_SECONDS = 60.0
"""For loops that are always woken."""


@dataclass(frozen=True)
class FolderLoops:
    """What runs for folders."""

    hosts: HostDiscovery
    removal: TreeRemoval
    cloning: Cloning
    transferring: Transferring

    def all(self) -> Iterator[Coroutine[Any, Any, None]]:
        """Give the loops, ready to run."""
        removal, cloning, transferring = self.removal, self.cloning, self.transferring
        yield every(RETRY_SECONDS, self.hosts.follow, name="storage-hosts")
        yield every(REMOVAL_SECONDS, removal.run, name="tree-removal", wake=removal.wake)
        yield every(
            REMOVAL_SECONDS, transferring.run, name="tree-rescoping", wake=transferring.wake
        )
        yield from _crew(CLONES, CLONE_SECONDS, cloning.run, name="clone", wake=cloning.wake)


@dataclass(frozen=True)
class Loops:
    """All that runs in the background of a manager."""

    signals: Signals
    scheduler: Scheduler
    dependencies: Dependencies
    expiry: Expiry
    drain: Expiry
    lifecycle: Lifecycle
    reconciler: Reconciler
    kernel_removal: KernelRemoval
    agents: AgentService
    feed: Feed
    folders: FolderLoops
    rescanner: Rescanner
    keys: Cache
    keys_wake: Wake

    def all(self) -> Iterator[Coroutine[Any, Any, None]]:
        """Give the loops, ready to run; each runs until it is cancelled."""
        signals, reconciler = self.signals, self.reconciler
        yield every(
            SCHEDULING_SECONDS, self.scheduler.run, name="scheduling", wake=signals.scheduling
        )
        yield every(
            DEPENDENCIES_SECONDS,
            self.dependencies.run,
            name="dependencies",
            wake=signals.dependencies,
        )
        yield every(EXPIRY_SECONDS, self.expiry.run, name="expiry")
        yield every(SWEEP_SECONDS, self._sweep, name="sweep", wake=reconciler.lost_wake)
        yield every(IDLE_SECONDS, self.lifecycle.sweep, name="pulls", wake=signals.images)
        yield every(IDLE_SECONDS, reconciler.check_suspects, name="suspects", wake=reconciler.wake)
        yield every(INVENTORY_SECONDS, reconciler.sweep, name="inventory", wake=signals.everything)
        yield every(REGISTRY_SECONDS, self.agents.resync, name="resync", wake=signals.registry)
        yield every(FEED_SECONDS, self.feed.step, name="feed", wake=signals.history)
        yield every(DRAIN_SECONDS, self.drain.run, name="drain")
        yield every(RETRY_SECONDS, self.agents.follow, name="registry")
        yield every(
            REMOVAL_SECONDS,
            self.kernel_removal.run,
            name="kernel-removal",
            wake=signals.removals,
        )
        yield from self.folders.all()
        yield every(IDLE_SECONDS, self._forget_keys, name="keys", wake=self.keys_wake)
        yield every(RETRY_SECONDS, self._listen, name="events")
        rescanner = self.rescanner
        yield from _crew(
            RESCANS, RESCAN_SECONDS, rescanner.run, name="rescan", wake=rescanner.wake
        )
        for number in range(WORKERS):
            yield every(0, self.lifecycle.work, name=f"worker-{number}")

    async def _sweep(self) -> None:
        await self.reconciler.settle_lost()
        await self.lifecycle.sweep()

    async def _listen(self) -> None:
        await self.signals.listen(self.reconciler.kernel_changed)

    async def _forget_keys(self) -> None:
        self.keys.forget_all()


def _crew(
    count: int, seconds: float, step: Callable[[], Awaitable[object]], *, name: str, wake: Wake
) -> Iterator[Coroutine[Any, Any, None]]:
    """Give loops that do the same, of which the first looks at this pace whether there is work. Who finds some wakes the others."""
    for number in range(count):
        pace = seconds if number == 0 else IDLE_SECONDS
        yield every(pace, step, name=f"{name}-{number}", wake=wake)
