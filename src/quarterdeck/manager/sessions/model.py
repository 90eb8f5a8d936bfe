"""Decisions about the life of a session: what to do next with its kernel, what an agent's answer means. Pure and frozen."""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from quarterdeck.manager.sessions.source import ImageSource
from quarterdeck.wire import agents, sessions

CREATE_SECONDS_MAX = 60.0
"""How long a kernel may stay CREATING, or RESTARTING, while its agent gives no clear answer."""

REFUSALS_THAT_PASS = frozenset({"insufficient-capacity", "unavailable"})
"""Codes of an agent that is still tidying up or about to stop: asked again, it may agree."""

MAIN_HOSTNAME = "main1"
"""The kernel that code runs in, and whose log is shown, unless another is named."""

LIFECYCLE, RECONCILER = "lifecycle", "reconciler"
"""Actors in the history beside user ids and "scheduler"."""


class Reason(enum.StrEnum):
    """Why a session ended: the cause in its history and the `reason` in its view."""

    USER_REQUESTED = "user-requested"
    KERNEL_FAILED = "kernel-failed"
    CREATE_TIMED_OUT = "create-timed-out"
    RESTART_FAILED = "restart-failed"
    RESTART_TIMED_OUT = "restart-timed-out"
    SELF_TERMINATED = "self-terminated"
    KERNEL_MISSING = "kernel-missing"
    AGENT_LOST = "agent-lost"
    AGENT_DRAINED = "agent-drained"
    PULL_FAILED = "pull-failed"
    TASK_FINISHED = "task-finished"
    TASK_FAILED = "task-failed"
    TASK_TIMEOUT = "task-timeout"
    LIFETIME_TIMEOUT = "lifetime-timeout"
    IDLE_TIMEOUT = "idle-timeout"


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session to be added. `sources` are the directories of its mounts, in their order; `kernel` is its id if it may begin at once."""

    id: str
    kernel: str | None
    owner: str
    given: sessions.SessionCreate
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recorded:
    """Changes of a session that has this owner."""

    owner: str
    rows: tuple[sessions.HistoryRow, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Where a session runs: `kernel` and `address` are None unless it is RUNNING on an agent that answers."""

    owner: str
    status: sessions.SessionStatus
    kernel: str | None
    address: str | None
    runs_command: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """A kernel that needs something from its agent."""

    agent: str
    session: str
    kernel: str


@dataclass(frozen=True, slots=True)
class Place:
    """An agent that answers, and its URL."""

    agent: str
    address: str


@dataclass(frozen=True, slots=True)
class Seat:
    """A kernel's place among the kernels of its session."""

    role: sessions.KernelRole
    index: int
    size: int

    @property
    def is_main(self) -> bool:
        """Whether the session's command, if it has one, runs here."""
        return self.role is sessions.KernelRole.MAIN

    def environment(self) -> Mapping[str, str]:
        """Return what the kernel is told of it, in variables."""
        others = (f"{sessions.KernelRole.SUB}{at}" for at in range(1, self.size))
        return {
            "QD_CLUSTER_ROLE": self.role.value,
            "QD_CLUSTER_INDEX": str(self.index),
            "QD_CLUSTER_SIZE": str(self.size),
            "QD_CLUSTER_HOST": f"{self.role}{self.index}",
            "QD_CLUSTER_HOSTS": ",".join((MAIN_HOSTNAME, *others)),
        }


class Step(enum.Enum):
    """What a kernel needs from its agent."""

    PULL = enum.auto()
    CREATE = enum.auto()
    DESTROY = enum.auto()
    NOTHING = enum.auto()


@dataclass(frozen=True, slots=True)
class End:
    """Why a session ends: in one word, in words, and with what exit code if its kernel's process ended with one."""

    reason: Reason
    detail: str | None = None
    exit_code: int | None = None


class Outcome(enum.Enum):
    """What came of a create."""

    RUNS = enum.auto()
    ENDED = enum.auto()
    FAILED = enum.auto()
    UNCLEAR = enum.auto()


@dataclass(frozen=True, slots=True)
class Work:
    """A kernel that needs something, claimed by this manager; `status` is the kernel's, for `status_seconds` by now."""

    session: str
    status: sessions.KernelStatus
    kernel: str
    agent: str
    address: str
    status_seconds: float
    request: agents.KernelCreate
    type: sessions.SessionType = sessions.SessionType.INTERACTIVE
    source: ImageSource | None = None
    flushed: bool = True
    """Whether its session is on disk yet."""


@dataclass(frozen=True, slots=True)
class Inserted:
    """A session that was added. `begun`: it is CREATING already, not flushed yet, and its kernel claimed by this manager."""

    view: sessions.SessionView
    begun: Work | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """A kernel that runs by the books, the type of its session, and for how long nobody need use it."""

    kernel: str
    type: sessions.SessionType = sessions.SessionType.INTERACTIVE
    idle_seconds: int | None = None
    session: str = ""
    cluster_size: int = 1
    generation: int = 0

    def is_idle(self, view: agents.KernelView) -> bool:
        """Tell whether nobody has used it for too long."""
        runs = view.status is sessions.KernelStatus.RUNNING
        limit, idle = self.idle_seconds, view.idle_seconds
        return runs and limit is not None and idle is not None and idle >= limit


@dataclass(frozen=True, slots=True)
class Ending:
    """A kernel that is gone though its session runs."""

    kernel: str
    end: End
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Findings:
    """What an agent's inventory says against the books: kernels that ended, strangers whose rows must be looked at, idle ones."""

    ended: tuple[Ending, ...]
    strangers: tuple[str, ...]
    idle: tuple[Running, ...] = ()


def next_step(status: sessions.KernelStatus) -> Step:
    """Return what a kernel in this status needs from its agent."""
    match status:
        case sessions.KernelStatus.SCHEDULED | sessions.KernelStatus.PULLING:
            return Step.PULL
        case sessions.KernelStatus.CREATING | sessions.KernelStatus.RESTARTING:
            return Step.CREATE
        case sessions.KernelStatus.TERMINATING:
            return Step.DESTROY
        case _:
            return Step.NOTHING


def after_create(status: sessions.KernelStatus) -> Outcome:
    """Return what the agent's answer to a create means."""
    match status:
        case sessions.KernelStatus.RUNNING:
            return Outcome.RUNS
        case sessions.KernelStatus.TERMINATING | sessions.KernelStatus.TERMINATED:
            return Outcome.ENDED
        case _:
            return Outcome.UNCLEAR


def after_refusal(code: str) -> Outcome:
    """Return what an agent's refusal of a create means."""
    return Outcome.UNCLEAR if code in REFUSALS_THAT_PASS else Outcome.FAILED


def after_silence(status_seconds: float) -> Reason | None:
    """Return why the session must end after a create without a clear answer, or None: ask again."""
    return Reason.CREATE_TIMED_OUT if status_seconds >= CREATE_SECONDS_MAX else None


def late(work: Work, reason: Reason) -> End:
    """Return how a session ends whose kernel was not made in time; a restart has a reason of its own."""
    if work.request.generation == 0:
        return End(reason)
    detail = f"agent {work.agent} has not restarted it within {CREATE_SECONDS_MAX:g} seconds"
    return End(Reason.RESTART_TIMED_OUT, detail)


def refused(work: Work, detail: str) -> End:
    """Return how a session ends whose agent refuses to make its kernel, for good."""
    if work.request.generation == 0:
        return End(Reason.KERNEL_FAILED, detail)
    return End(Reason.RESTART_FAILED, f"not restarted: {detail}")


def end_of(type_: sessions.SessionType, view: agents.KernelView) -> End:
    """Return why a session ends whose kernel has ended by itself."""
    code = view.exit.code if view.exit is not None else None
    if type_ is not sessions.SessionType.BATCH:
        return End(Reason.SELF_TERMINATED, view.reason, code)
    return End(Reason.TASK_FINISHED if code == 0 else Reason.TASK_FAILED, view.reason, code)


def idle_out(idle: Iterable[Running]) -> tuple[Ending, ...]:
    """Return how sessions end of which every kernel is idle."""
    kernels: dict[str, list[Running]] = {}
    for one in idle:
        kernels.setdefault(one.session, []).append(one)
    return tuple(
        Ending(
            first.kernel,
            End(Reason.IDLE_TIMEOUT, f"not used for {first.idle_seconds} seconds (idle_seconds)"),
            first.generation,
        )
        for first, *others in kernels.values()
        if first.cluster_size == 1 + len(others)
    )


def compare(running: Iterable[Running], inventory: Mapping[str, agents.KernelView]) -> Findings:
    """Hold the kernels that ran by the books before an inventory was taken against the inventory."""
    expected = {one.kernel: one for one in running}
    ended = [
        Ending(kernel, End(Reason.KERNEL_MISSING), one.generation)
        for kernel, one in sorted(expected.items())
        if kernel not in inventory
    ]
    ended += [
        Ending(kernel, end_of(one.type, inventory[kernel]), one.generation)
        for kernel, one in sorted(expected.items())
        if kernel in inventory and inventory[kernel].status is not sessions.KernelStatus.RUNNING
    ]
    idle = [
        one
        for kernel, one in sorted(expected.items())
        if kernel in inventory and one.is_idle(inventory[kernel])
    ]
    strangers = sorted(inventory.keys() - expected.keys())
    return Findings(tuple(ended), tuple(strangers), tuple(idle))
