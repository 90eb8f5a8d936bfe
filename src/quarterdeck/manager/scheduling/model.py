"""The decision of placement: which waiting session goes to which agent. Pure; `service` reads the facts and writes the result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from quarterdeck.wire import sessions


@dataclass(frozen=True, slots=True)
class Waiting:
    """A session that waits for a place: of `size` kernels, each with these slots."""

    session: str
    slots: sessions.Slots
    size: int = 1
    architectures: tuple[str, ...] = ()
    """Of machines that can run its image; none: any can."""
    isolation: sessions.IsolationLevel | None = None
    """The least that will do; None: its image brings its own."""
    mounts: bool = False
    """Whether the agent must be able to mount."""


@dataclass(frozen=True, slots=True)
class Room:
    """What is free on an agent that takes new kernels."""

    agent: str
    free: sessions.Usage
    architecture: str = ""
    isolation: sessions.IsolationLevel = sessions.IsolationLevel.PROCESS
    mounts: bool = True

    def fits(self, slots: sessions.Slots) -> bool:
        """Tell whether a kernel of these slots fits in."""
        return self.free.cpu >= slots.cpu and self.free.memory_mib >= slots.memory_mib

    def takes(self, session: Waiting) -> bool:
        """Tell whether a kernel of a session may be here: it fits in, and the machine can run its image, keep it apart and mount what it wants."""
        wanted = session.architectures
        return (
            self.fits(session.slots)
            and (not wanted or self.architecture in wanted)
            and (session.isolation is None or self.isolation.covers(session.isolation))
            and (self.mounts or not session.mounts)
        )

    def after(self, slots: sessions.Slots) -> "Room":
        """Return the room that is left beside a kernel of these slots."""
        free = sessions.Usage(self.free.cpu - slots.cpu, self.free.memory_mib - slots.memory_mib)
        return replace(self, free=free)


@dataclass(frozen=True, slots=True)
class Placement:
    """A session's kernels get these slots each on these agents, the main kernel on the first."""

    session: str
    agents: tuple[str, ...]
    slots: sessions.Slots


@dataclass(frozen=True, slots=True)
class Placed:
    """A kernel that now has its slots on an agent."""

    kernel: str
    session: str
    agent: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision is about: waiting sessions, the oldest first, and the agents with what is free on them."""

    waiting: Sequence[Waiting]
    rooms: Sequence[Room]


def place(facts: Facts) -> tuple[Placement, ...]:
    """Place sessions in the order given, each kernel on the agent with the most free cores (then memory, then the first id).

    A session whose kernels do not all fit is passed over and keeps its turn; later ones that fit are placed. Never uses more than
    is free.
    """
    left = {room.agent: room for room in facts.rooms}
    placements = []
    for session in facts.waiting:
        taken = _take(left, session)
        if taken is not None:
            left.update((room.agent, room) for room in taken.rooms.values())
            placements.append(Placement(session.session, taken.agents, session.slots))
    return tuple(placements)


@dataclass(frozen=True, slots=True)
class _Taken:
    """Agents that a session's kernels get, and what is left there then."""

    agents: tuple[str, ...]
    rooms: Mapping[str, Room]


def _take(left: Mapping[str, Room], session: Waiting) -> _Taken | None:
    """Find room for all kernels of a session; None: there is not enough.

    The kernels are alike, so that taking room for one after the other finds room for all if there is any way to.
    """
    agents: list[str] = []
    rooms: dict[str, Room] = {}
    for _ in range(session.size):
        now = (rooms.get(agent, room) for agent, room in left.items())
        fitting = [room for room in now if room.takes(session)]
        if not fitting:
            return None
        room = min(fitting, key=_most_free_first)
        rooms[room.agent] = room.after(session.slots)
        agents.append(room.agent)
    return _Taken(tuple(agents), rooms)


def _most_free_first(room: Room) -> tuple[int, int, str]:
    return (-room.free.cpu, -room.free.memory_mib, room.agent)
