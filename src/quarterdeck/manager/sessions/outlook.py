"""Why a session waits, in a word and in words. Pure: what it says follows from what was read when somebody asked."""

from dataclasses import dataclass

import msgspec

from quarterdeck.wire import sessions
from quarterdeck.wire.states import SessionStatus

NAMED_MAX = 3
"""Sessions that a sentence names; the others are counted."""


@dataclass(frozen=True, slots=True)
class Unmet:
    """A session that has to succeed first."""

    session: str
    name: str | None
    status: str

    def __str__(self) -> str:
        return f"{self.name} ({self.session})" if self.name else self.session


@dataclass(frozen=True, slots=True)
class Situation:
    """A session that waits, and the agents: how many there are, are alive, take sessions (open), and can have it, room aside (able).

    Of the open ones `runs` have the architecture of its image, and `isolated` of these keep it apart as well as it wants. Of the able ones: the largest and the freest, and for how many kernels like these there is capacity, and room now.
    """

    slots: sessions.Slots
    cluster_size: int = 1
    architectures: tuple[str, ...] = ()
    unmet: tuple[Unmet, ...] = ()
    agents: int = 0
    alive: int = 0
    open: int = 0
    able: int = 0
    runs: int = 0
    isolated: int = 0
    offered: tuple[str, ...] = ()
    isolation: str = ""
    isolations: tuple[str, ...] = ()
    cpu_most: int = 0
    cpu_most_agent: str | None = None
    memory_most: int = 0
    memory_most_agent: str | None = None
    cpu_free: int = 0
    cpu_free_agent: str | None = None
    memory_free: int = 0
    memory_free_agent: str | None = None
    capacity: int = 0
    room: int = 0


@dataclass(frozen=True, slots=True)
class Outlook:
    """Why a session waits: `reason` for programs, `detail` for people."""

    reason: str
    detail: str

    def shown(self, view: sessions.SessionView) -> sessions.SessionView:
        """Return a view with this in it."""
        return msgspec.structs.replace(view, reason=self.reason, detail=self.detail)


def of(situation: Situation) -> Outlook:
    """Return why a PENDING session waits: for others, for an agent that can have it at all, or for slots that others use now."""
    if situation.unmet:
        return Outlook("dependencies", f"waits for {_named(situation.unmet)}")
    if situation.able == 0:
        return _nobody(situation)
    if situation.capacity < situation.cluster_size:
        return Outlook("too-large", f"fits on no agent: {_too_large(situation)}")
    if situation.room < situation.cluster_size:
        return Outlook("no-room", f"waits for slots: {_no_room(situation)}")
    return Outlook("queued", "is about to be placed")


def of_start(view: sessions.SessionView) -> Outlook | None:
    """Return how far a session is that has its place; None: it has none yet, runs or has ended."""
    if view.status is SessionStatus.SCHEDULED:
        return Outlook("placed", f"has its place on {_agents(view)}; its start is next")
    if view.status is SessionStatus.PULLING:
        return Outlook("pulling", f"its image is being pulled on {_agents(view)}{_progress(view)}")
    if view.status is SessionStatus.CREATING:
        running = sum(one.status is sessions.KernelStatus.RUNNING for one in view.kernels)
        kernels = "its kernel is" if view.cluster_size == 1 else "its kernels are"
        so_far = "" if view.cluster_size == 1 else f", {running} of {view.cluster_size} run"
        return Outlook("starting", f"{kernels} being made on {_agents(view)}{so_far}")
    return None


def _progress(view: sessions.SessionView) -> str:
    pull = view.pull
    if pull is None or not pull.bytes_total:
        return ""
    percent = 100 * pull.bytes_done // pull.bytes_total
    return f": layer {pull.layer} of {pull.layers}, {percent} %"


def _named(unmet: tuple[Unmet, ...]) -> str:
    said = [f"session {one}, which is {one.status}" for one in unmet[:NAMED_MAX]]
    if len(unmet) > NAMED_MAX:
        said.append(f"{len(unmet) - NAMED_MAX} more")
    return " and ".join(said)


def _nobody(situation: Situation) -> Outlook:
    if situation.agents == 0:
        return Outlook("no-agent", "there is no agent")
    if situation.alive == 0:
        return Outlook("no-agent", f"no agent is alive: of {situation.agents}, all are lost")
    if situation.open == 0:
        closed = f"no agent takes new sessions: of {situation.alive} alive, none is schedulable"
        return Outlook("no-schedulable-agent", closed)
    return _unfit(situation)


def _unfit(situation: Situation) -> Outlook:
    if situation.isolated:
        return Outlook("no-mounts", "no agent that would do can mount folders")
    if situation.runs:
        offered = ", ".join(sorted(situation.isolations))
        apart = f"no agent keeps it apart so well: it wants {situation.isolation}, agents have {offered}"
        return Outlook("no-isolation", apart)
    wanted, offered = " or ".join(situation.architectures), ", ".join(situation.offered)
    return Outlook(
        "no-architecture",
        f"no agent has this architecture: its image is for {wanted}, agents have {offered or 'none'}",
    )


def _too_large(situation: Situation) -> str:
    slots = situation.slots
    if slots.cpu > situation.cpu_most:
        return f"wants {_cores(slots.cpu)}, the largest agent, {situation.cpu_most_agent}, has {situation.cpu_most}"
    if slots.memory_mib > situation.memory_most:
        return (
            f"wants {slots.memory_mib} MiB of memory, the largest agent, {situation.memory_most_agent},"
            f" has {situation.memory_most}"
        )
    if situation.cluster_size == 1:
        return f"wants {_both(slots)} on one agent, none has both"
    return f"wants {situation.cluster_size} kernels of {_both(slots)}, agents have the slots of {situation.capacity}"


def _no_room(situation: Situation) -> str:
    slots = situation.slots
    if slots.cpu > situation.cpu_free:
        free = f"{max(situation.cpu_free, 0)} on agent {situation.cpu_free_agent}"
        return f"wants {_cores(slots.cpu)}, the most free is {free}"
    if slots.memory_mib > situation.memory_free:
        free = f"{max(situation.memory_free, 0)} on agent {situation.memory_free_agent}"
        return f"wants {slots.memory_mib} MiB of memory, the most free is {free}"
    if situation.cluster_size == 1:
        return f"wants {_both(slots)}, no agent has both free"
    return f"wants {situation.cluster_size} kernels of {_both(slots)}, there is room for {situation.room}"


def _both(slots: sessions.Slots) -> str:
    return f"{_cores(slots.cpu)} and {slots.memory_mib} MiB"


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"


def _agents(view: sessions.SessionView) -> str:
    names = sorted({one.agent for one in view.kernels if one.agent})
    if len(names) > NAMED_MAX:
        return f"{len(names)} agents"
    return f"agent {names[0]}" if len(names) == 1 else f"agents {', '.join(names)}"
