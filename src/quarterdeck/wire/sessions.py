"""Sessions on the wire: requests, views, history; code that runs in them is in `executions`. Their states, from `states`, are names of this module too."""

import enum
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from quarterdeck.wire import limits
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.executions import Execute
from quarterdeck.wire.images import PullProgress
from quarterdeck.wire.states import (
    KERNEL_INITIAL,
    KERNEL_LIVE,
    KERNEL_TERMINAL,
    KERNEL_TRANSITIONS,
    SESSION_INITIAL,
    SESSION_LIVE,
    SESSION_TERMINAL,
    SESSION_TRANSITIONS,
    KernelStatus,
    SessionResult,
    SessionStatus,
    SessionType,
)

__all__ = [  # of the names from elsewhere, which mypy lets others use only if they are listed
    "KERNEL_INITIAL",
    "KERNEL_LIVE",
    "KERNEL_TERMINAL",
    "KERNEL_TRANSITIONS",
    "SESSION_INITIAL",
    "SESSION_LIVE",
    "SESSION_TERMINAL",
    "SESSION_TRANSITIONS",
    "KernelStatus",
    "SessionResult",
    "SessionStatus",
    "SessionType",
]


class Slots(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a kernel may use: whole cores and memory in MiB."""

    cpu: Annotated[int, Meta(ge=1, le=1024)] = 1
    memory_mib: Annotated[int, Meta(ge=64, le=16 * 1024 * 1024)] = 256


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a kernel may go besides its slots. Who goes further is ended, and its session says why.

    `pids`: processes and threads at a time; `disk_mib`: in its own directories, folders aside; `cpu_seconds`: processor time in all.
    """

    pids: Annotated[int, Meta(ge=8, le=32768)] = 256
    disk_mib: Annotated[int, Meta(ge=1, le=16 * 1024 * 1024)] = 4096
    cpu_seconds: Annotated[int, Meta(ge=1, le=10**9)] | None = None


class IsolationLevel(enum.StrEnum):
    """What keeps a kernel apart from its machine, from the least to the most."""

    PROCESS = "process"
    """Nothing but its limits: a process of the agent's user like any other."""
    NAMESPACED = "namespaced"
    """Its own processes, file system, network and users, on the machine's programs."""
    OCI = "oci"
    """The same, on the programs of an image."""

    def covers(self, demand: "IsolationLevel") -> bool:
        """Tell whether this is at least as much as a demand."""
        levels = tuple(IsolationLevel)
        return levels.index(self) >= levels.index(demand)


class Usage(msgspec.Struct, frozen=True):
    """An amount of slots that may be nothing: what is in use, what is free."""

    cpu: int = 0
    memory_mib: int = 0


class Mount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A folder (by id), or a directory in it, in a session, at a path relative to its working directory."""

    folder: limits.Id
    path: limits.RelativePath
    read_only: bool = False
    subpath: limits.RelativePath | None = None


class SessionCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A request for a session of `cluster_size` kernels, each with these slots.

    Mount paths must differ, and none may lie inside another. A batch session needs a command, which its main kernel runs, an
    inference session may have one that has to stay up, an interactive one has none.
    It waits until the sessions in `depends_on` have succeeded. With `reuse` a live session of that name, made of the same, is as good.

    It ends after `lifetime_seconds` of running, a batch session after `batch_seconds`, one without a command after `idle_seconds`
    without use.
    """

    image: limits.ImageName
    slots: Slots = Slots()
    cluster_size: Annotated[int, Meta(ge=1, le=limits.CLUSTER_SIZE_MAX)] = 1
    name: limits.Name | None = None
    mounts: Annotated[tuple[Mount, ...], Meta(max_length=limits.MOUNTS_MAX)] = ()
    environment: limits.Environment = {}
    type: SessionType = SessionType.INTERACTIVE
    command: limits.Command = ()
    depends_on: Annotated[tuple[limits.Id, ...], Meta(max_length=limits.DEPENDENCIES_MAX)] = ()
    reuse: bool = False
    batch_seconds: limits.Seconds | None = None
    lifetime_seconds: limits.Seconds | None = None
    idle_seconds: limits.Seconds | None = None
    ports: limits.Ports = ()
    """Of each kernel, at which the others reach it by its hostname. They need kernels with networks of their own."""
    limits: Limits = Limits()
    isolation: IsolationLevel = IsolationLevel.PROCESS
    """The least that will do; a kernel gets the best that its agent has."""
    execute: Execute | None = None
    """What its main kernel runs first, if it comes to run while the request waits: the answer says what came of it."""

    def __post_init__(self) -> None:
        """Raise `Invalid` for mounts that cover each other, ports given twice and a command that does not fit the type."""
        _check_ports(self.ports)
        _check_command(self.type, self.command)
        _check_time_outs(self)
        if self.execute is not None and self.command:
            raise Invalid("execute", "A session with a command takes no code")
        if self.reuse and self.name is None:
            raise Invalid("name", "A session to reuse needs a name", code="missing-field")
        for at, session in enumerate(self.depends_on):
            if session in self.depends_on[:at]:
                raise Invalid(f"depends_on.{at}", "This session is given twice")
        for at, mount in enumerate(self.mounts):
            for other in self.mounts[:at]:
                if f"{mount.path}/".startswith(f"{other.path}/") or f"{other.path}/".startswith(
                    f"{mount.path}/"
                ):
                    raise Invalid(
                        f"mounts.{at}.path", f"{mount.path!r} overlaps with {other.path!r}"
                    )


class KernelRole(enum.StrEnum):
    """What a kernel is in its session: the one that code runs in unless another is named, or one of those beside it."""

    MAIN = "main"
    SUB = "sub"


class SessionKernel(msgspec.Struct, frozen=True, kw_only=True):
    """A kernel as its session's owner sees it. The others know it by `hostname`: main1, sub1, sub2 and so on."""

    id: str
    role: KernelRole
    index: int
    hostname: str
    agent: str
    status: KernelStatus
    isolation: IsolationLevel | None = None
    """How well it is kept apart; known once it runs."""
    pull: PullProgress | None = None
    """While it is PULLING."""


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A session as its owner sees it. `reason` says why it ended or waits, `detail` the same in words.

    `agent`, that of the main kernel, and `kernels` are set from SCHEDULED on.
    `exit_code` is that of its command, or of its kernel's process; None if that was killed by a signal, or lives.
    """

    id: str
    name: str | None
    owner: str
    image: str
    status: SessionStatus
    slots: Slots
    created_at: datetime
    agent: str | None = None
    reason: str | None = None
    mounts: tuple[Mount, ...] = ()
    terminated_at: datetime | None = None
    type: SessionType = SessionType.INTERACTIVE
    command: tuple[str, ...] = ()
    exit_code: int | None = None
    result: SessionResult | None = None
    detail: str | None = None
    depends_on: tuple[str, ...] = ()
    cluster_size: int = 1
    kernels: tuple[SessionKernel, ...] = ()
    batch_seconds: int | None = None
    lifetime_seconds: int | None = None
    idle_seconds: int | None = None
    started_at: datetime | None = None
    expires_at: datetime | None = None
    """When it ends at the latest, by the time-outs that no use of it puts off."""
    limits: Limits = Limits()
    isolation: IsolationLevel | None = None
    """Of its main kernel."""
    pull: PullProgress | None = None
    """While it is PULLING: of the first of its kernels that waits for its image."""
    ports: tuple[int, ...] = ()
    image_digest: str | None = None
    """What the image's tag named when the session was made; None: each agent has the image of its own."""


class SessionQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which sessions to list: of one status; live ones only, unless `all`."""

    status: SessionStatus | None = None
    all: bool = False


class HistoryQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows after a sequence number; with `wait` (seconds), the answer may wait for the first one.

    With `until` it waits for the row in which the session comes to that state or ends.
    """

    after: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    wait: Annotated[float, Meta(ge=0, le=30)] = 0
    until: SessionStatus | None = None


class EventQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From where to follow events: after a sequence number; None: from the beginning of a session, or from now on."""

    after: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None


class HistoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One change of state, of the session or (with `kernel`) of its kernel. `seq` grows; `from_status` is None at creation."""

    seq: int
    session: str
    to_status: SessionStatus
    at: datetime
    cause: str
    actor: str
    kernel: str | None = None
    from_status: SessionStatus | None = None


class Logs(msgspec.Struct, frozen=True):
    """What a session has written so far, the newest part of it if that is long.

    `written`: how many characters it has written in all; the text ends there. It counts anew when what a kernel wrote was forgotten.
    """

    text: str
    written: int = 0


def _check_command(type_: SessionType, command: tuple[str, ...]) -> None:
    """Raise `Invalid` for a command that does not fit the type of session."""
    if type_ is SessionType.BATCH and not command:
        raise Invalid("command", "A batch session needs a command", code="missing-field")
    if type_ is SessionType.INTERACTIVE and command:
        raise Invalid("command", "An interactive session has no command; make it a batch session")
    if command and not command[0]:
        raise Invalid("command.0", "Expected a program")
    if sum(map(len, command)) > limits.COMMAND_CHARACTERS_MAX:
        raise Invalid("command", f"Longer than {limits.COMMAND_CHARACTERS_MAX} characters")


def _check_ports(ports: tuple[int, ...]) -> None:
    """Raise `Invalid` for a port that is given twice."""
    for at, port in enumerate(ports):
        if port in ports[:at]:
            raise Invalid(f"ports.{at}", "This port is given twice")


def _check_time_outs(given: SessionCreate) -> None:
    """Raise `Invalid` for a time-out that could never come."""
    if given.batch_seconds is not None and given.type is not SessionType.BATCH:
        raise Invalid("batch_seconds", "Only a batch session has a time for its command")
    if given.idle_seconds is not None and given.command:
        raise Invalid("idle_seconds", "A session is not idle as long as its command runs")
