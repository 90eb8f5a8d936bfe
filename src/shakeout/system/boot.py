"""Boot a system: give every member its place, then start all of them as parallel as order allows.

Uses `plan` for the places and `member` for one start; the result is a `cluster`.
"""

import asyncio
from collections.abc import Collection

from shakeout.process.errors import ComponentDied, ProcessError
from shakeout.process.supervisor import Supervisor
from shakeout.system import disks, plan, progress
from shakeout.system.cluster import Cluster
from shakeout.system.errors import SystemFault
from shakeout.system.host import Host
from shakeout.system.member import Member
from shakeout.system.model import System, Topology
from shakeout.system.progress import Progress, State, Step


async def boot(  # noqa: PLR0913 - each is a wish of its own
    system: System,
    supervisor: Supervisor,
    *,
    name: str = "cluster",
    topology: Topology | None = None,
    wanted: Collection[str] = (),
    durable: bool = False,
    links: bool = False,
    with_disks: bool = False,
    tell: Progress = progress.silence,
) -> Cluster:
    """Start a cluster and return it when every member answers.

    `name` is unique among the clusters of one supervisor. `wanted` names the optional services
    to start, `links` says whether there is a proxy on each edge, `with_disks` whether members have disks of their own
    (see `disks`). A member that ends, while it starts or while others do, ends the boot at once.
    Raises ComponentDied, StartTimedOut, PreparationFailed, Misdeclared, DisksRefused; nothing is left then.
    """
    chosen = topology or Topology()
    directory = supervisor.run_directory / name
    ground = plan.Ground(name, directory, supervisor.settings.home, durable=durable, links=links)
    members = plan.members(system, chosen, ground, frozenset(wanted))
    host = Host(supervisor.settings, supervisor.scope(name))
    cluster = Cluster(system, chosen, ground, members=members, host=host)
    try:
        if links:
            await cluster.link_up(supervisor)
        if modules := system.modules():
            await host.scope.preload(modules)
        if with_disks:
            cluster.disks = await disks.mount(members, host, directory)
        await _Boot(cluster, tell).run()
    except BaseExceptionGroup as group:
        await cluster.abandon()
        raise _first(group) from None
    except BaseException:
        await cluster.abandon()
        raise
    return cluster


class _Boot:
    """One boot: who is ready, and when it began."""

    def __init__(self, cluster: Cluster, tell: Progress) -> None:
        self._cluster = cluster
        self._tell = tell
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()
        self._ready = {one.name: asyncio.Event() for one in cluster.members.values() if one.needed}

    async def run(self) -> None:
        """Start all needed members; each waits only for those it depends on."""
        members = [self._cluster.members[name] for name in self._ready]
        async with asyncio.TaskGroup() as group:
            watches = [group.create_task(self._watch(member)) for member in members]
            watches.append(group.create_task(self._watch_links()))
            async with asyncio.TaskGroup() as starting:
                for member in members:
                    starting.create_task(self._bring_up(member))
            for watch in watches:
                watch.cancel()

    async def _watch(self, member: Member) -> None:
        """Raise ComponentDied when a member ends that was ready already."""
        await self._ready[member.name].wait()
        if member.process is not None:
            end = await member.process.wait()
            raise ComponentDied(member.name, end, member.last_lines())

    async def _watch_links(self) -> None:
        """Raise ComponentDied when the proxy ends."""
        if self._cluster.links is not None:
            proxy = self._cluster.links.process
            raise ComponentDied(proxy.name, await proxy.wait(), proxy.last_lines())

    async def _bring_up(self, member: Member) -> None:
        self._say(member)
        for name in self._first(member):
            await self._ready[name].wait()
        self._say(member, State.STARTING)
        try:
            await self._cluster.start(member.name)
        except (SystemFault, ProcessError) as fault:
            self._say(member, State.FAILED, str(fault))
            raise
        self._say(member, State.READY)
        self._ready[member.name].set()

    def _first(self, member: Member) -> list[str]:
        """Needed members that must be ready before this one starts."""
        kinds = self._cluster.system.dependencies()[member.place.kind]
        return [name for name in self._ready if self._cluster.members[name].place.kind in kinds]

    def _say(self, member: Member, state: State = State.WAITING, detail: str = "") -> None:
        self._tell(Step(member.name, state, self._clock() - self._began, detail))


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error behind a failed group: the others are its consequences."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
