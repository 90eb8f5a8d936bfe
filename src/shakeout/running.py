"""A cluster that runs in or for this test process: what was wanted of it, and what is known of its health.

Made by `shakeout.clusters`; used by tests through `shakeout.usage`.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from shakeout.broker.client import Lease
from shakeout.checks.check import LeakCheck
from shakeout.process import procfs
from shakeout.process.errors import ComponentDied, HarnessDied, ProcessError
from shakeout.report.sampler import Sampler
from shakeout.runner import Guard
from shakeout.system.cluster import Cluster
from shakeout.system.model import System

EXIT_SECONDS_MAX = 1.0
"""From the end of a process until its spawner has told it."""


@dataclass(frozen=True)
class Wanted:
    """What a test wants of a cluster."""

    system: System
    replicas: Mapping[str, int] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()
    durable: bool = False
    links: bool = False
    disks: bool = False

    def same_shape(self, other: "Wanted") -> bool:
        """Whether one cluster can serve both: optional services are added when needed."""
        return dataclasses.replace(self, needs=other.needs) == other


class Running:
    """A cluster that runs, what is known of its health, and who used it last."""

    def __init__(
        self, wanted: Wanted, source: Cluster | Lease, guard: Guard, boot_seconds: float
    ) -> None:
        self.wanted = wanted
        self.lease = source if isinstance(source, Lease) else None
        self.cluster = source.cluster if isinstance(source, Lease) else source
        self.guard = guard
        self.boot_seconds = boot_seconds
        self.sampler = Sampler(self.pids)
        self.dirty = False
        self.unchecked = False
        """Whether somebody uses it, or did and nobody has looked what was left behind."""
        self.death_told = False
        self.last_user = ""
        self._leak_check: tuple[frozenset[str], LeakCheck] | None = None

    @property
    def usable(self) -> bool:
        return not self.dirty and not self.guard.done()

    @property
    def clean(self) -> bool:
        """Whether others may use it who know nothing of its past."""
        return self.usable and not self.unchecked

    @property
    def is_new(self) -> bool:
        """Whether nobody has used it yet, here or anywhere."""
        return (self.lease is None or self.lease.fresh) and not self.last_user

    @property
    def untold_death(self) -> BaseException | None:
        """A death that no test has failed with yet."""
        return self.guard.result() if self.guard.done() and not self.death_told else None

    def note(self, failure: ProcessError) -> None:
        """Find out whether a failure is one of this cluster."""
        death = failure if isinstance(failure, HarnessDied) else self._death(failure)
        if death is not None and not self.guard.done():
            self.guard.set_result(death)

    def pids(self) -> dict[str, int]:
        """Pids of the members that run."""
        members = self.cluster.members.values()
        return {one.name: one.process.pid for one in members if one.process and one.running}

    @property
    def leak_check(self) -> LeakCheck:
        """The leak check for the members that run now."""
        names = frozenset(self.pids())
        if self._leak_check is None or self._leak_check[0] != names:
            self.close_leak_check()
            self._leak_check = names, LeakCheck(self.cluster)
        return self._leak_check[1]

    def close_leak_check(self) -> None:
        if self._leak_check is not None:
            self._leak_check[1].close()

    async def close(self) -> None:
        """Stop it; what is clean goes back to where it was leased from."""
        if self.lease is None:
            await self.cluster.close()
        elif self.clean:
            await self.lease.give_back()
        else:
            await self.lease.close()

    async def heard_of_ended(self) -> None:
        """Wait until the exit of each member that has ended is known here, too."""
        processes = [one for one in self.cluster.processes().values() if one.exit is None]
        ended = [one for one in processes if not ((seen := procfs.stat(one.pid)) and seen.alive)]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EXIT_SECONDS_MAX):
                for process in ended:
                    await process.wait()

    def _death(self, failure: ProcessError) -> ComponentDied | None:
        first = getattr(failure, "name", "")
        return min(self.cluster.deaths(), key=lambda death: death.name != first, default=None)
