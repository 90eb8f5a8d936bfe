"""A member's place in one cluster: directory, ports and the addresses of its edges.

All of it is decided before anything starts, so that everything can start at the same time.
Made by `boot`; read by a component's `environment` function and by the services.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from shakeout.system.errors import Ambiguous, NotDeclared


@dataclass(frozen=True)
class Place:
    """Where one member of one cluster lives and whom it reaches."""

    cluster: str
    """Name of the cluster; a prefix for identities that must differ between clusters."""
    name: str
    """Name of the member: `manager`, or `agent-2` when there are several."""
    kind: str
    """Name under which it was declared: `agent` for `agent-2`."""
    index: int
    """Number among its replicas, from 1."""
    directory: Path
    """Its own directory; exists, and is removed with the cluster."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """Its own loopback ports by socket name."""
    reach: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Addresses by target, one for each replica."""
    namespaces: int = 0
    """Pid of the process in whose namespaces it lives, with disks mounted there; 0 without such."""
    durable: bool = False
    """Whether services must survive a power cut (benchmarks); tests need no fsync."""

    def outside(self, path: Path) -> Path:
        """By which path a process that does not live there reaches a path of this place."""
        return Path(f"/proc/{self.namespaces}/root{path}") if self.namespaces else path

    def address(self, target: str) -> str:
        """URL of an edge's target: `postgres`, `postgres.<database>`, `manager`, `manager.http`.

        Raises NotDeclared without such an edge, Ambiguous when the target has replicas.
        """
        found = self.addresses(target)
        if len(found) != 1:
            kind, dot, socket = target.partition(".")
            raise Ambiguous(target, [f"{kind}-{n}{dot}{socket}" for n in range(1, len(found) + 1)])
        return found[0]

    def addresses(self, target: str) -> tuple[str, ...]:
        """URLs of all replicas of an edge's target. Raises NotDeclared without such an edge."""
        if target not in self.reach:
            raise NotDeclared(self.name, target, self.reach)
        return self.reach[target]

    def port(self, socket: str) -> int:
        """Its own loopback port for the named socket. Raises NotDeclared if it has none."""
        if socket not in self.ports:
            raise NotDeclared(self.name, socket, self.ports)
        return self.ports[socket]


class Reachable(Protocol):
    """Something that knows addresses by name: a place, or a whole cluster."""

    def address(self, target: str) -> str:
        """URL of `postgres`, `manager.http` and so on."""
