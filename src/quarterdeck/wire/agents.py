"""Agents on the wire: what the manager asks of them, what they answer, and how they register in etcd."""

import enum
from datetime import datetime
from typing import Annotated
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Meta

from quarterdeck.wire import limits, oci
from quarterdeck.wire.executions import Execute, Execution
from quarterdeck.wire.sessions import IsolationLevel, KernelStatus, Limits, Slots, Usage

CREDENTIAL = "manager"
"""The access key under which a manager signs its requests to agents."""


def url(agent: str, address: str) -> str:
    """Return the URL of an agent, `http://id@host:port`: calls to it are for this agent, whoever else may listen there by then."""
    parts = urlsplit(address)
    return parts._replace(netloc=f"{quote(agent, safe='')}@{parts.netloc}").geturl()


def address(url_: str) -> str:
    """Return where an agent is, without its name."""
    parts = urlsplit(url_)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


class AgentStatus(enum.StrEnum):
    """Whether an agent is registered in etcd."""

    ALIVE = "ALIVE"
    LOST = "LOST"


class AgentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's registration in etcd. `instance` differs for each life of the process; `address` is its URL, which names it.

    `mounts` tells whether its machine allows mounts in kernels, `isolation` how well it keeps them apart.
    """

    id: str
    instance: str
    address: str
    slots: Slots
    mounts: bool = True
    isolation: IsolationLevel = IsolationLevel.PROCESS
    architecture: str = ""
    """Of the images that it can run, as they call it; empty: it runs none."""


class AgentDrain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A wish that an agent takes nothing new. With a deadline, sessions that are still there by then are ended."""

    deadline_seconds: Annotated[float, Meta(ge=0, le=30 * 86400)] | None = None


class AgentView(msgspec.Struct, frozen=True, kw_only=True):
    """An agent as the administrator sees it: not `schedulable` while it is drained, with `kernels` that are still there."""

    id: str
    status: AgentStatus
    address: str
    slots: Slots
    used: Usage
    schedulable: bool
    instance: str
    seen_at: datetime
    drain_deadline: datetime | None = None
    kernels: int = 0


class ImagePull(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where an agent gets an image; the digest is in the address. `registry` is a URL, `repository` a name in it."""

    registry: Annotated[str, Meta(pattern=r"^https?://[^\s/?#@]+\Z", max_length=300)]
    repository: oci.Repository
    username: Annotated[str, Meta(max_length=255)] = ""
    password: Annotated[str, Meta(max_length=4096)] = ""


class PullStatus(enum.StrEnum):
    """How far an image has come on an agent."""

    PULLING = "PULLING"
    READY = "READY"
    FAILED = "FAILED"


class AgentImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image on an agent. `layer` of `layers` is under way; `reason` says why a pull has failed."""

    digest: str
    status: PullStatus
    bytes_done: int = 0
    bytes_total: int = 0
    layer: int = 0
    layers: int = 0
    reason: str | None = None


class KernelMount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A directory of the agent's host in a kernel: `source` absolute, `path` relative to the working directory.

    With `subpath` a directory below the source, reached through no link.
    """

    source: limits.AbsolutePath
    path: limits.RelativePath
    read_only: bool = False
    subpath: limits.RelativePath | None = None


class KernelPeer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kernel of a cluster, and the URL of its agent, which names it."""

    hostname: Annotated[str, Meta(pattern=limits.HOSTNAME)]
    kernel: limits.Id
    agent: Annotated[str, Meta(pattern=r"^https?://[^\s/?#]+\Z", max_length=300)]


class KernelCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A request for a kernel; its id is in the address. `isolation` is the least that will do."""

    session: limits.Id
    image: limits.ImageName
    slots: Slots
    mounts: Annotated[tuple[KernelMount, ...], Meta(max_length=limits.MOUNTS_MAX)] = ()
    environment: limits.KernelEnvironment = {}
    digest: oci.Digest | None = None
    """Of the image whose files it sees, which has been pulled; without one it sees this machine's programs."""
    command: limits.Command = ()
    """What the kernel is: it ends with this program. Without one it is an interpreter."""
    isolation: IsolationLevel = IsolationLevel.PROCESS
    ports: limits.Ports = ()
    """Of all kernels of its cluster, at which they reach each other by name."""
    peers: Annotated[tuple[KernelPeer, ...], Meta(max_length=limits.CLUSTER_SIZE_MAX)] = ()
    """The kernels of its cluster in their order, itself too."""
    limits: Limits = Limits()
    generation: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    """How often the kernel has been restarted: a greater one than it has makes its processes anew, in its place."""
    execute: Execute | None = None
    """Code or a command to run first, with an id; what came of it within its wait is in the answer. Not part of what the kernel is."""

    def asks_for(self, other: "KernelCreate") -> bool:
        """Tell whether the same kernel is asked for, wherever its peers are by now."""
        one, two = (
            msgspec.structs.replace(each, peers=(), execute=None) for each in (self, other)
        )
        return one == two


class KernelExit(msgspec.Struct, frozen=True):
    """How a kernel's process ended: by an exit code or by a signal's number."""

    code: int | None = None
    signal: int | None = None


class KernelView(msgspec.Struct, frozen=True, kw_only=True):
    """A kernel as its agent sees it."""

    id: str
    session: str
    status: KernelStatus
    slots: Slots
    isolation: IsolationLevel = IsolationLevel.PROCESS
    pid: int | None = None
    exit: KernelExit | None = None
    reason: str | None = None
    idle_seconds: float | None = None
    """In the inventory: for how long nobody has used it, by the agent's monotonic clock; None: it is in use, or runs a command."""
    execution: Execution | None = None
    """What came of what it was to run first; None: there was nothing, or that is not known."""
