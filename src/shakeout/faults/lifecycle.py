"""A fault from its beginning to its end, as a context manager that undoes itself.

async with lifecycle.injected(Kill("manager"), private_cluster):
    ...  # the manager is dead, and was seen to be

Asks `health` before and after; what went through all of it is counted by `coverage`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection

from shakeout.faults import coverage, health, phase
from shakeout.faults.errors import ClusterShared, FaultStuck, FaultUnavailable
from shakeout.faults.fault import Fault
from shakeout.system.cluster import Cluster
from shakeout.timeline import record
from shakeout.waiting.until import until

WITHIN_SECONDS = 10.0


@contextlib.asynccontextmanager
async def injected(
    fault: Fault,
    cluster: Cluster,
    *,
    within: float = WITHIN_SECONDS,
    may_die: Collection[str] = (),
) -> AsyncIterator[None]:
    """Inject a fault for the time of a block that runs when its effect is seen.

    Each step may take `within` seconds. The fault is undone in any case; an error of that is raised, or added as a
    note to the error that came first. Any member that ends meanwhile has died, except those whose end is part of the
    fault and those in `may_die`, which are started again.

    Raises ClusterShared, FaultUnavailable; FaultStuck when injecting or undoing it does not end; WaitTimedOut when the cluster is not healthy before or after, or when the
    effect or its end is not seen; WaitHopeless with the death of a member.
    """
    if cluster.shared:
        raise ClusterShared(text(fault), cluster.name)
    if reason := fault.available(cluster):
        raise FaultUnavailable(text(fault), reason)
    life = _Life(fault, cluster, within, may_die)
    with record.span("fault", fault.name, targets=list(fault.targets)):
        await life.be_healthy("before")
        try:
            await life.begin()
            yield
        except BaseException as error:
            await life.end_beside(error)
            raise
        await life.end()
    coverage.RUN.add(cluster.system.name, fault.targets[:1], fault.name, phase.current.get())


def text(fault: Fault) -> str:
    """`kill manager`, `cut manager -> agent`. Pure."""
    return f"{fault.name} {' -> '.join(fault.targets)}"


class _Life:
    """One fault on one cluster."""

    def __init__(
        self, fault: Fault, cluster: Cluster, within: float, may_die: Collection[str]
    ) -> None:
        self._fault = fault
        self._cluster = cluster
        self._within = within
        self._may_die = [cluster.member(name) for name in may_die]
        self._members = health.ready(cluster)

    async def be_healthy(self, when: str) -> None:
        """Wait until all members that were ready at the beginning answer."""
        await self._until(
            lambda: health.missing(self._cluster, self._members),
            f"a healthy cluster {when} the fault {text(self._fault)}",
        )

    async def begin(self) -> None:
        """Inject it and wait for its effect."""
        for member in self._may_die:
            if member.process is not None:
                member.process.expect_exit()
        await self._in_time("injecting", self._fault.inject(self._cluster))
        await self._until(
            lambda: self._fault.missing_effect(self._cluster),
            f"the effect of the fault {text(self._fault)}",
        )
        record.note("fault", f"effect of {self._fault.name} seen", targets=self._fault.targets)

    async def end(self) -> None:
        """Undo it, wait until that is seen, and ask for everybody's health."""
        try:
            await self._in_time("undoing", self._fault.recover(self._cluster))
            await self._until(
                lambda: self._fault.missing_recovery(self._cluster),
                f"the recovery from the fault {text(self._fault)}",
            )
        finally:
            await self._revive()
        await self.be_healthy("after")
        record.note("fault", f"recovered from {self._fault.name}", targets=self._fault.targets)

    async def end_beside(self, error: BaseException) -> None:
        """The same after an error, which stays the one that is told."""
        try:
            await self.end()
        except Exception as second:  # noqa: BLE001 - told as a note of the error that came first
            error.add_note(f"undoing the fault {text(self._fault)} failed, too: {second}")

    async def _in_time(self, act: str, work: Awaitable[None]) -> None:
        deadline = asyncio.timeout(self._within)
        try:
            async with deadline:
                await work
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise FaultStuck(f"{act} the fault {text(self._fault)}", self._within) from error

    async def _revive(self) -> None:
        """Start those that were allowed to die, and watch them again."""
        for member in self._may_die:
            if not member.running:
                await self._cluster.start(member.name)
            elif member.process is not None:
                member.process.exit_expected = False

    async def _until(self, missing: Callable[[], Awaitable[str]], what: str) -> None:
        await until(
            missing,
            within=self._within,
            describe=what,
            satisfied=_nothing,
            hopeless=lambda _: health.death(self._cluster),
        )


def _nothing(missing: str) -> bool:
    return not missing
