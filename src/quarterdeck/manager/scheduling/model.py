"""The decision of placement: which waiting session goes to which agent. Pure; `service` reads the facts and writes the result."""

from collections.abc import Sequence
from dataclasses import dataclass

from quarterdeck.wire import sessions


@dataclass(frozen=True, slots=True)
class Waiting:
    """A session that waits for a place."""

    session: str
    slots: sessions.Slots


@dataclass(frozen=True, slots=True)
class Room:
    """What is free on an agent that takes new kernels."""

    agent: str
    free: sessions.Usage

    def fits(self, slots: sessions.Slots) -> bool:
        """Tell whether a kernel of these slots fits in."""
        return self.free.cpu >= slots.cpu and self.free.memory_mib >= slots.memory_mib

    def after(self, slots: sessions.Slots) -> "Room":
        """Return the room that is left beside a kernel of these slots."""
        return Room(
            self.agent,
            sessions.Usage(self.free.cpu - slots.cpu, self.free.memory_mib - slots.memory_mib),
        )


@dataclass(frozen=True, slots=True)
class Placement:
    """A session gets these slots on this agent."""

    session: str
    agent: str
    slots: sessions.Slots


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision is about: waiting sessions, the oldest first, and the agents with what is free on them."""

    waiting: Sequence[Waiting]
    rooms: Sequence[Room]


def place(facts: Facts) -> tuple[Placement, ...]:
    """Place sessions in the order given, each on the agent with the most free cores (then memory, then the first id).

    A session that fits nowhere is passed over and keeps its turn; later ones that fit are placed. Never uses more than is free.
    """
    left = {room.agent: room for room in facts.rooms}
    placements = []
    for session in facts.waiting:
        fitting = [room for room in left.values() if room.fits(session.slots)]
        if not fitting:
            continue
        room = min(fitting, key=_most_free_first)
        left[room.agent] = room.after(session.slots)
        placements.append(Placement(session.session, room.agent, session.slots))
    return tuple(placements)


def _most_free_first(room: Room) -> tuple[int, int, str]:
    return (-room.free.cpu, -room.free.memory_mib, room.agent)
