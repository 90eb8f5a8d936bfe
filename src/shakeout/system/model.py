"""What a user declares: a system of components and services, and how many of each.

Frozen data without I/O. `order` checks it, `boot` turns it into a running `cluster`.
"""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from shakeout.system import order
from shakeout.system.errors import Misdeclared, NameTaken, NameUnknown
from shakeout.system.place import Place, Reachable
from shakeout.system.service import Service


@dataclass(frozen=True)
class HttpReady:
    """Ready when a GET of `path` on the named socket answers `status`."""

    socket: str
    path: str
    status: int = 200
    within_seconds: float = 30.0


@dataclass(frozen=True)
class Edge:
    """Component `source` calls `target`, a service, a component, or one socket of a component."""

    source: str
    target: str


def nothing_more(_place: Place) -> Mapping[str, str]:
    """Environment of a component that needs none."""
    return {}


@dataclass(frozen=True)
class Component:
    """One program of the system under test."""

    name: str
    _: KW_ONLY
    call: str = ""
    """`module:function`, forked from the warm zygote. Either this or `argv`."""
    argv: tuple[str, ...] = ()
    """A command to execute."""
    args: tuple[str, ...] = ()
    """Arguments for the called function."""
    environment: Callable[[Place], Mapping[str, str]] = nothing_more
    """Pure function from its place to its environment."""
    edges: tuple[str, ...] = ()
    """Whom it calls. It starts after the services among them; for components say `after`."""
    sockets: tuple[str, ...] = ()
    """Names of its listening sockets, passed as descriptors from 3 up (LISTEN_FDS)."""
    ready: HttpReady | None = None
    """Without one it is ready as soon as it runs."""
    disk: str = ""
    """Directory below its own in which it keeps its data: it can be a disk of its own, see `disks`."""
    clock: bool = False
    """Whether its time of day comes from the file that SHAKEOUT_CLOCK names, see `clockfile`."""
    after: tuple[str, ...] = ()
    """Members that must be ready before it starts."""
    replicas: int = 1
    """How many run, unless the topology says otherwise."""

    def __post_init__(self) -> None:
        if bool(self.call) == bool(self.argv):
            raise Misdeclared(f"{self.name}: say either call or argv")
        if self.ready and self.ready.socket not in self.sockets:
            raise NameUnknown(self.ready.socket, f"readiness of {self.name}", self.sockets)


@dataclass(frozen=True)
class Topology:
    """How many replicas of which component; what it does not name runs as declared."""

    replicas: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, **replicas: int) -> "Topology":
        """`Topology.of(agent=2)`."""
        return cls(replicas)

    def count(self, component: Component) -> int:
        """How many of a component run."""
        return self.replicas.get(component.name, component.replicas)


@dataclass(frozen=True)
class System:
    """Everything that Shakeout must know about the system under test."""

    name: str
    _: KW_ONLY
    services: tuple[Service, ...] = ()
    components: tuple[Component, ...] = ()
    preload: tuple[str, ...] = ()
    """Modules that the zygote imports once for all components."""
    leaks: tuple[Callable[..., Any], ...] = ()
    """Factories of further leak probes, see `shakeout.checks`."""
    tenant: str = ""
    """Hook that makes a test's own place in a shared cluster, see `shakeout.tenants`."""
    hints: Callable[[Reachable], Mapping[str, str]] | None = None
    """Environment with which a person talks to the running system (`shakeout env`)."""

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for name in self.names:
            if name in seen:
                raise NameTaken(name)
            seen.add(name)
        order.layers(self.dependencies())

    @property
    def names(self) -> tuple[str, ...]:
        """Declared names: services first, then components."""
        return (*(one.name for one in self.services), *(one.name for one in self.components))

    @property
    def edges(self) -> tuple[Edge, ...]:
        """All edges as pairs."""
        return tuple(Edge(one.name, target) for one in self.components for target in one.edges)

    def dependencies(self) -> Mapping[str, frozenset[str]]:
        """Who must be ready before whom. Raises NameUnknown."""
        services = {one.name for one in self.services}
        wanted: dict[str, frozenset[str]] = {one: frozenset() for one in services}
        for component in self.components:
            targets = {self._member(one, f"edge of {component.name}") for one in component.edges}
            first = {self._member(one, f"after of {component.name}") for one in component.after}
            wanted[component.name] = frozenset(first | targets & services)
        return wanted

    def modules(self) -> tuple[str, ...]:
        """What the zygote imports: the declared modules, and those of the components' functions."""
        called = (one.call.partition(":")[0] for one in self.components if one.call)
        return tuple(dict.fromkeys((*self.preload, *called)))

    def _member(self, target: str, where: str) -> str:
        name, dot, socket = target.partition(".")
        if name not in self.names:
            raise NameUnknown(target, where, self.names)
        for component in self.components:
            if component.name == name and dot and socket not in component.sockets:
                raise NameUnknown(target, where, (f"{name}.{one}" for one in component.sockets))
        return name
