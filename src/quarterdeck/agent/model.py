"""Decisions about kernels without I/O: what may be asked for, and the spec that comes of a request."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from quarterdeck.agent.errors import ImageNotFound, IsolationUnsupported, KernelTakesNoCode
from quarterdeck.agent.kernels.doorway import Entrance
from quarterdeck.agent.kernels.spec import (
    CONTAINER_WORK,
    MARK,
    TEMPORARY,
    WORK,
    Bind,
    Image,
    KernelSpec,
    container_environment,
)
from quarterdeck.wire.agents import KernelCreate, KernelMount, KernelPeer
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.executions import Execute
from quarterdeck.wire.sessions import IsolationLevel

_HOST_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

WIRE_ADDRESS = "10.77.0.100"
"""Of a kernel at its wire to its peers, each of which is at an address by its place in the cluster."""
_PEER_ADDRESS = "10.77.0.{}"

IMAGE = f"python:{sys.version_info.major}.{sys.version_info.minor}"
"""The one image of process kernels: this interpreter."""


@dataclass(frozen=True)
class Surroundings:
    """What all kernels of an agent have in common: the PATH of this machine, and variables that all their processes carry."""

    search_path: str
    marks: Mapping[str, str]


def check(request: KernelCreate, level: IsolationLevel) -> None:
    """Raise `ImageNotFound`, `IsolationUnsupported` or `Invalid` for a request that an agent with this level cannot fulfil."""
    if request.digest is None and request.image != IMAGE:
        raise ImageNotFound(f"This agent has {IMAGE} only", field="image")
    _check_paths(request.mounts)
    if not level.covers(request.isolation):
        detail = f"{request.isolation} demanded, {level} is the best here"
        raise IsolationUnsupported(detail, field="isolation")
    if request.ports and level is IsolationLevel.PROCESS:
        detail = "Ports need kernels with networks of their own, which this machine does not allow"
        raise IsolationUnsupported(detail, field="ports")


def check_first(first: Execute | None, request: KernelCreate) -> None:
    """Raise `Invalid` for first code that could not be asked for again, and `KernelTakesNoCode` beside a command."""
    if first is None:
        return
    if request.command:
        raise KernelTakesNoCode
    if first.run is None or first.wait is None:
        raise Invalid("execute", "The first code needs an id and a wait", code="missing-field")


def peer_addresses(id_: str, request: KernelCreate) -> Mapping[str, KernelPeer]:
    """Return the others of its cluster by the addresses at which a kernel reaches them; none without ports."""
    if not request.ports:
        return {}
    return {
        _PEER_ADDRESS.format(at): peer
        for at, peer in enumerate(request.peers, start=1)
        if peer.kernel != id_
    }


def spec(
    id_: str,
    request: KernelCreate,
    *,
    directory: Path,
    cores: Sequence[int],
    surroundings: Surroundings,
    image: Image | None = None,
    again: bool = False,
) -> KernelSpec:
    """Return what a request comes to; `again`: its directory is there. What the user asks for overrides our defaults and the image's, not the marks."""
    plain = {
        "PATH": surroundings.search_path,
        "LANG": "C.UTF-8",
        "HOME": f"{directory}/{WORK}",
        "TMPDIR": f"{directory}/{TEMPORARY}",
    }
    environment = {
        **(plain if image is None else container_environment(image)),
        **request.environment,
        **surroundings.marks,
        MARK: id_,
    }
    return KernelSpec(
        id=id_,
        directory=str(directory),
        environment=environment,
        binds=tuple(
            Bind(one.source, one.path, one.read_only, one.subpath) for one in request.mounts
        ),
        cores=tuple(cores),
        memory_bytes=request.slots.memory_mib * 2**20,
        processes=request.limits.pids,
        hostname=_host_name(request.environment.get("QD_CLUSTER_HOST", "")),
        hosts={one.hostname: at for at, one in peer_addresses(id_, request).items()},
        command=request.command,
        image=image,
        again=again or request.generation > 0,
    )


def entrance(pid: int, spec: KernelSpec) -> Entrance:
    """Return where a shell goes in a kernel with this process."""
    directory = f"{spec.directory}/{WORK}" if spec.image is None else CONTAINER_WORK
    return Entrance(pid, directory, {"TERM": "xterm-256color", **spec.environment})


def _host_name(given: str) -> str:
    return given if _HOST_NAME.fullmatch(given) else "main1"


def _check_paths(mounts: Sequence[KernelMount]) -> None:
    for at, mount in enumerate(mounts):
        for other in mounts[:at]:
            if _covers(mount.path, other.path) or _covers(other.path, mount.path):
                raise Invalid(f"mounts.{at}.path", f"{mount.path!r} overlaps with {other.path!r}")


def _covers(path: str, other: str) -> bool:
    return f"{other}/".startswith(f"{path}/")
