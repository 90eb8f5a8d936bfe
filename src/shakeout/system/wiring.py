"""Puts links between the members of a cluster: a front for each address, before anybody is told where the others are.

`plan` calls `interpose` while it decides on places, `boot` calls `connect` before anything starts.
"""

from collections.abc import Sequence
from pathlib import Path

from shakeout.links import endpoint
from shakeout.links.endpoint import Endpoint, Tcp, Unix
from shakeout.links.links import Front, Links, Pairs
from shakeout.links.proxy import NAME, Proxy
from shakeout.process import ports
from shakeout.process.supervisor import Supervisor
from shakeout.system import loopback
from shakeout.system.member import Member
from shakeout.system.model import System

DIRECTORY = "via"
"""Below the directory of a member; short, since a path of a Unix socket has 107 bytes at most."""


def interpose(member: Member, home: Path) -> None:
    """Decide where each address of a member is reached through links. Raises NoFreePort."""
    targets = {found for url in member.addresses.values() if (found := endpoint.of_url(url))}
    fronts = {target: _place(member, target, home) for target in sorted(targets, key=str)}
    member.fronts = tuple(Front(member.name, place, one) for one, place in fronts.items())
    member.public = {
        name: endpoint.through(url, fronts[found]) if (found := endpoint.of_url(url)) else url
        for name, url in member.addresses.items()
    }


async def connect(
    system: System,
    members: Sequence[Member],
    supervisor: Supervisor,
    *,
    name: str,
    directory: Path,
) -> Links:
    """Start the proxy. Raises StartFailed, HarnessDied, LinksRefused, ComponentDied."""
    proxy = await Proxy.start(
        supervisor.scope(f"{name}-{NAME}"), directory / f".{NAME}", supervisor.settings.inherited
    )
    fronts = [front for member in members for front in member.fronts]
    try:
        return await Links.open(proxy, fronts, pairs(system, members), seed=name)
    except BaseException:
        await proxy.close()
        raise


def pairs(system: System, members: Sequence[Member]) -> Pairs:
    """Each declared edge between each two replicas. Pure."""
    kinds = {(edge.source, edge.target.partition(".")[0]) for edge in system.edges}
    return frozenset(
        (source.name, target.name)
        for source in members
        for target in members
        if (source.place.kind, target.place.kind) in kinds
    )


def _place(member: Member, target: Endpoint, home: Path) -> Endpoint:
    if isinstance(target, Unix):
        return Unix(str(member.place.directory / DIRECTORY / Path(target.path).name))
    lease = ports.lease(home)
    member.leases = {**member.leases, f"{DIRECTORY} {target.port}": lease}
    return Tcp(loopback.HOST, lease.port)
