"""Decide before the boot where everything will be: names, directories, ports, addresses.

Turns a `System` and a `Topology` into members with a complete `Place` each.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from shakeout.process import ports
from shakeout.process.ports import PortLease
from shakeout.system import loopback, wiring
from shakeout.system.errors import NameUnknown
from shakeout.system.member import READY_SECONDS_MAX, Member
from shakeout.system.model import Component, System, Topology
from shakeout.system.place import Place
from shakeout.system.runner import ComponentRunner

Reach = dict[str, tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class Ground:
    """What all places of one cluster share."""

    cluster: str
    """Name of the cluster."""
    directory: Path
    """Parent of the members' directories."""
    home: Path
    """Holds the leases of ports."""
    durable: bool = False
    links: bool = False
    """Whether there is a proxy on each edge."""
    held: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)
    """Of a cluster that runs already: the ports by member, which somebody else holds."""

    def lease(self, member: str, names: tuple[str, ...]) -> dict[str, PortLease]:
        """Lease a port for each name; all or none. Raises NoFreePort."""
        if member in self.held:
            return {name: PortLease(self.held[member][name], -1) for name in names}
        return dict(zip(names, ports.lease_many(self.home, len(names)), strict=True))

    def place(self, kind: str, name: str, index: int, ports: Mapping[str, int]) -> Place:
        """A place that reaches nobody yet."""
        return Place(
            cluster=self.cluster,
            name=name,
            kind=kind,
            index=index,
            directory=self.directory / name,
            ports=ports,
            durable=self.durable,
        )


def instances(name: str, count: int) -> tuple[tuple[int, str], ...]:
    """Numbers and names of replicas: one keeps the plain name, several get `-1`, `-2`. Pure."""
    if count == 1:
        return ((1, name),)
    return tuple((index, f"{name}-{index}") for index in range(1, count + 1))


def component_addresses(component: Component, place: Place) -> Mapping[str, str]:
    """URLs by socket name; the empty name is the first socket. Pure."""
    found = {name: socket_url(name, place.ports[name]) for name in component.listens}
    return {"": next(iter(found.values())), **found} if found else {}


def socket_url(name: str, port: int) -> str:
    """`http://127.0.0.1:port` for sockets whose name begins with http, else `tcp://...`. Pure."""
    return f"{'http' if name.startswith('http') else 'tcp'}://{loopback.HOST}:{port}"


def members(
    system: System, topology: Topology, ground: Ground, wanted: frozenset[str]
) -> list[Member]:
    """All members of a cluster in their declared order; nothing runs yet.

    Makes their directories and leases their ports. Raises NameUnknown, NotDeclared, NoFreePort.
    """
    _check_names(system, topology, wanted)
    found: list[Member] = []
    try:
        for service in system.services:
            place, leases = _settle(ground, service.name, (1, service.name), service.ports)
            needed = not service.optional or service.name in wanted
            found.append(Member(place, service, service.addresses(place), leases, needed=needed))
        for component in system.components:
            replicas = instances(component.name, topology.count(component))
            found.extend(_component(ground, component, one) for one in replicas)
        if ground.links:
            for member in found:
                wiring.interpose(member, ground.home)
        _connect(system, found)
    except BaseException:
        for member in found:
            member.release()
        raise
    return found


def reach_of_component(component: Component, members: list[Member], own: Member) -> Reach:
    """What a component's place may address: its edges, and its own sockets. Pure."""
    reach: Reach = {}
    for socket, url in own.public.items():
        for name in (own.place.kind, own.name):
            reach[_dotted(name, socket)] = (url,)
    for target in component.edges:
        reach |= _targets(target, members)
    return reach


def _targets(target: str, members: list[Member]) -> Reach:
    """Addresses behind one edge: of the kind, and of each replica by its own name."""
    kind, _, part = target.partition(".")
    replicas = [one for one in members if one.place.kind == kind]
    reach: Reach = {target: ()}
    for member in replicas:
        for name, url in member.public.items():
            if part in ("", name):
                key = _dotted(kind, name)
                reach[key] = (*reach.get(key, ()), url)
                reach[_dotted(member.name, name)] = reach[key] if len(replicas) == 1 else (url,)
    return reach


def _connect(system: System, members: list[Member]) -> None:
    """Give every place its addresses: services see everybody, components their edges."""
    everybody: Reach = {}
    for name in system.names:
        everybody |= _targets(name, members)
    declared = {one.name: one for one in system.components}
    for member in members:
        component = declared.get(member.place.kind)
        reach = reach_of_component(component, members, member) if component else everybody
        member.place = dataclasses.replace(member.place, reach=reach)


def _component(ground: Ground, component: Component, instance: tuple[int, str]) -> Member:
    place, leases = _settle(ground, component.name, instance, component.listens)
    within = component.ready.within_seconds if component.ready else READY_SECONDS_MAX
    return Member(
        place,
        ComponentRunner(component, leases),
        component_addresses(component, place),
        leases,
        ready_seconds_max=within,
    )


def _settle(
    ground: Ground, kind: str, instance: tuple[int, str], names: tuple[str, ...]
) -> tuple[Place, dict[str, PortLease]]:
    """Lease the ports of one member and make its directory."""
    index, name = instance
    leases = ground.lease(name, names)
    place = ground.place(kind, name, index, {one: lease.port for one, lease in leases.items()})
    place.directory.mkdir(parents=True, exist_ok=bool(ground.held))
    return place, leases


def _check_names(system: System, topology: Topology, wanted: frozenset[str]) -> None:
    components = {one.name for one in system.components}
    services = {one.name for one in system.services}
    for name in topology.replicas.keys() - components:
        raise NameUnknown(name, "the topology", components)
    for name in wanted - services:
        raise NameUnknown(name, "the list of wanted services", services)


def _dotted(name: str, part: str) -> str:
    return f"{name}.{part}" if part else name
