"""Who uses which slots and cores of this agent. Pure: the service asks before it starts a kernel and gives back when it is gone."""

from dataclasses import dataclass

from quarterdeck.agent.errors import InsufficientCapacity
from quarterdeck.wire.sessions import Slots


@dataclass(frozen=True)
class Holding:
    """What one kernel holds: slots, and the machine's cores it runs on."""

    slots: Slots
    cores: tuple[int, ...]


class Ledger:
    """Slots given out by kernel. There may be more slots than cores: the cores are shared then."""

    def __init__(self, capacity: Slots, cores: tuple[int, ...]) -> None:
        self._capacity = capacity
        self._cores = cores
        self._held: dict[str, Holding] = {}

    def take(self, kernel: str, slots: Slots) -> Holding:
        """Hold slots for a kernel, on the cores that fewest kernels use. Raises `InsufficientCapacity`."""
        for name in ("cpu", "memory_mib"):
            used = sum(getattr(holding.slots, name) for holding in self._held.values())
            free = getattr(self._capacity, name) - used
            wanted = getattr(slots, name)
            if wanted > free:
                detail = f"{wanted} wanted, {free} free"
                raise InsufficientCapacity(detail, field=f"slots.{name}")
        holding = Holding(slots, self._choose(slots.cpu))
        self._held[kernel] = holding
        return holding

    def hold(self, kernel: str, slots: Slots, cores: tuple[int, ...]) -> None:
        """Hold again what a kernel held before this life of the agent, whether there is room or not: it runs."""
        self._held[kernel] = Holding(slots, cores)

    def again(self, kernel: str, slots: Slots, cores: tuple[int, ...]) -> Holding:
        """Return what a kernel holds; one that holds nothing any more takes slots anew, on the same cores. Raises `InsufficientCapacity`."""
        if kernel not in self._held:
            self.take(kernel, slots)
            self.hold(kernel, slots, cores)
        return self._held[kernel]

    def give_back(self, kernel: str) -> None:
        """Free what a kernel holds; nothing happens if it holds nothing."""
        self._held.pop(kernel, None)

    def _choose(self, count: int) -> tuple[int, ...]:
        users = dict.fromkeys(self._cores, 0)
        for holding in self._held.values():
            for core in holding.cores:
                users[core] += 1
        emptiest = sorted(self._cores, key=lambda core: (users[core], core))
        return tuple(sorted(emptiest[:count]))
