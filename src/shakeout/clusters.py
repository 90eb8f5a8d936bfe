"""The clusters of one test process: leased or booted when asked for, shared by tests, replaced when dirty.

Works with `shakeout.runner`, which is told of deaths, `shakeout.broker.client` and `shakeout.system.boot`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from shakeout.broker.client import Client, Lease
from shakeout.broker.errors import BrokerUnavailable, NotLeasable
from shakeout.process.errors import HarnessDied
from shakeout.process.supervisor import Supervisor
from shakeout.runner import Kept, Runner
from shakeout.running import Running, Wanted
from shakeout.services import debian
from shakeout.system import boot
from shakeout.system.cluster import Cluster
from shakeout.system.model import Topology

SHARED_MAX = 2
"""Shared clusters that run at the same time; tests that want different ones may alternate."""


class Clusters:
    """Leases, boots and stops the clusters of this process."""

    def __init__(self, runner: Runner, broker: Client | None = None) -> None:
        """Without a broker every cluster is booted here."""
        self._runner = runner
        self._broker = broker
        self._supervisor: Supervisor | None = None
        self._running: list[Running] = []
        self._shared: list[Running] = []
        self._booted = 0
        self._watch: Kept[None] | None = None
        self.untold: list[tuple[BaseException, str]] = []
        """Deaths that happened between tests, with the test before."""
        self.boot_seconds: list[float] = []
        self.lease_seconds: list[float] = []
        self.refusals: dict[str, None] = {}
        """Why clusters were booted here although there should be a broker; in order, each once."""

    @property
    def supervisor(self) -> Supervisor:
        """The owner of every process that this process starts; opened when first needed."""
        if self._supervisor is None:
            self._supervisor = opened = self._runner.run(Supervisor.open())
            self._watch = self._runner.keep(self._watching(opened))
        return self._supervisor

    def run_of(self, running: Running) -> str:
        """Id of the run that a cluster belongs to: the broker's, or this process's own."""
        return running.lease.run_id if running.lease else self.supervisor.run_id

    def close(self) -> None:
        """Stop all clusters, also when one of them does not let itself be stopped."""
        with contextlib.ExitStack() as stack:
            if self._supervisor is not None:
                stack.callback(lambda: self._runner.run(self.supervisor.close()))
            if self._watch is not None:
                stack.callback(self._watch.close)
            for running in reversed(self._running):
                stack.callback(self.stop, running)

    def shared(self, wanted: Wanted, soon: frozenset[str] = frozenset()) -> Running:
        """A healthy cluster of that shape, booted if need be; `soon` are services to begin already."""
        for running in self._shared:
            self.look_at(running)
        with contextlib.ExitStack() as stack:
            for running in reversed(self._shared):
                if not running.usable:
                    stack.callback(self.stop, running)
        found = next((one for one in self._shared if one.wanted.same_shape(wanted)), None)
        if found is None:
            self._make_room()
            found = self._provide(wanted, private=False)
            found.cluster.shared = True
            self._begin(found, soon)
        else:
            self._shared.remove(found)
        self._shared.append(found)
        self._start_needed(found, wanted.needs)
        return found

    def look_at(self, running: Running) -> None:
        """Let a death be noticed that happened while the loop did not run."""
        self._runner.run(running.heard_of_ended())
        self._runner.look()

    def private(self, wanted: Wanted) -> Running:
        """A cluster of one's own."""
        return self._provide(wanted, private=True)

    def stop(self, running: Running) -> None:
        """Stop a cluster and remember a death that no test was told."""
        death = running.untold_death
        if death is not None:
            running.death_told = True
            self.untold.append((death, running.last_user))
        self._running.remove(running)
        if running in self._shared:
            self._shared.remove(running)
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: self._runner.run(running.close()))
            running.close_leak_check()

    def _start_needed(self, running: Running, needs: frozenset[str]) -> None:
        """A service that does not start fails this test, and no other: the next one gets a new cluster."""
        try:
            for name in sorted(needs):
                self._runner.run(running.cluster.start(name))
        except BaseException:
            running.dirty = True
            raise

    def _make_room(self) -> None:
        while len(self._shared) >= SHARED_MAX:
            self.stop(self._shared[0])

    def _provide(self, wanted: Wanted, *, private: bool) -> Running:
        began = self._runner.loop.time()
        source = self._leased(wanted, private=private) or self._boot(wanted)
        seconds = self._runner.loop.time() - began
        (self.lease_seconds if isinstance(source, Lease) else self.boot_seconds).append(seconds)
        running = Running(wanted, source, self._runner.loop.create_future(), seconds)
        if running.lease is not None:
            running.lease.tell_failures(running.note)
        self._running.append(running)
        return running

    def _leased(self, wanted: Wanted, *, private: bool) -> Lease | None:
        """None if it must be booted here; why is kept. Proxies and disks are made for one test, so nobody boots them ahead."""
        if self._broker is None or wanted.links or wanted.disks:
            return None
        try:
            return self._runner.run(self._lease(self._broker, wanted, private=private))
        except NotLeasable as reason:
            self.refusals[str(reason)] = None
        except BrokerUnavailable as reason:
            self._broker = None
            self.refusals[str(reason)] = None
        return None

    async def _lease(self, broker: Client, wanted: Wanted, *, private: bool) -> Lease:
        lease = await broker.lease(
            wanted.system, wanted.replicas, durable=wanted.durable, private=private
        )
        try:
            for name in sorted(wanted.needs):
                await lease.cluster.start(name)
            lease.raise_failure()
        except BaseException:
            lease.drop()
            raise
        return lease

    def _boot(self, wanted: Wanted) -> Cluster:
        self._booted += 1
        cluster = self._runner.run(
            boot.boot(
                wanted.system,
                self.supervisor,
                name=f"c{self._booted}",
                topology=Topology(wanted.replicas),
                wanted=wanted.needs,
                durable=wanted.durable,
                links=wanted.links,
                with_disks=wanted.disks,
            )
        )
        self._raise_early_death(cluster)
        return cluster

    def _raise_early_death(self, cluster: Cluster) -> None:
        """Whoever died before the cluster was known here has been passed on to nobody. Raises ComponentDied."""
        deaths = cluster.deaths()
        if deaths:
            self._runner.run(cluster.abandon())
            raise deaths[0]

    def _begin(self, running: Running, soon: frozenset[str]) -> None:
        services = running.wanted.system.services
        optional = {one.name for one in services if one.optional and not debian.lacking(one)}
        for name in sorted(soon & optional - running.wanted.needs):
            self._runner.run(running.cluster.begin(name))

    @contextlib.asynccontextmanager
    async def _watching(self, supervisor: Supervisor) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(self._pass_on_failures(supervisor))
            yield
            watch.cancel()

    async def _pass_on_failures(self, supervisor: Supervisor) -> None:
        while True:
            failure = await supervisor.failed()
            for running in self._running:
                if running.lease is None:
                    running.note(failure)
            if isinstance(failure, HarnessDied):
                return
            supervisor.forget_failure()
