"""What can be wrong with a declared system or with its boot; see `model`, `order`, `boot`.

A member that ends while starting, or is not ready in time, is told by `shakeout.process.errors`.

SystemFault
├── Misdeclared         the declaration contradicts itself
│   ├── NameTaken       two members share a name
│   ├── NameUnknown     an edge, `after` or topology names nobody
│   └── OrderHasCycle   members wait for each other
├── NotDeclared         an address was asked for that no edge declares
├── Ambiguous           a name stands for several replicas
├── NotRunning          a member was asked for something that needs its process
├── DisksRefused        this machine lets nobody mount, not even in a namespace of one's own
└── NotFound            the module:attribute that should hold a system does not
"""

from collections.abc import Iterable, Sequence


class SystemFault(Exception):
    """The system could not be described or started."""


class Misdeclared(SystemFault):
    """The declaration of a system contradicts itself."""


class NameTaken(Misdeclared):
    """Two members share a name."""

    def __init__(self, name: str) -> None:
        """`name` is the one declared twice."""
        super().__init__(
            f"{name!r} is declared twice: every component and service needs its own name"
        )
        self.name = name


class NameUnknown(Misdeclared):
    """A declaration refers to a member that does not exist."""

    def __init__(self, name: str, where: str, known: Iterable[str]) -> None:
        """`where` says in words which declaration holds the wrong `name`."""
        super().__init__(f"{where} names {name!r}; known are {', '.join(sorted(known)) or 'none'}")
        self.name = name


class OrderHasCycle(Misdeclared):
    """Members wait for each other, so that none could ever start."""

    def __init__(self, cycle: Sequence[str]) -> None:
        """`cycle` lists the members; each waits for the next, the last for the first."""
        super().__init__(f"nothing can start first: {' -> '.join([*cycle, cycle[0]])}")
        self.cycle = tuple(cycle)


class NotDeclared(SystemFault):
    """A component asked for an address to which it declares no edge."""

    def __init__(self, asker: str, target: str, known: Iterable[str]) -> None:
        """`asker` is the component, `target` what it wanted, `known` what it may have."""
        super().__init__(
            f"{asker} declares no edge to {target!r}; it reaches {', '.join(sorted(known)) or 'nothing'}"
        )
        self.target = target


class Ambiguous(SystemFault):
    """A name stands for several replicas where exactly one is wanted."""

    def __init__(self, name: str, candidates: Sequence[str]) -> None:
        """`candidates` are the names that would be exact."""
        super().__init__(f"{name!r} has {len(candidates)} replicas: say {' or '.join(candidates)}")
        self.candidates = tuple(candidates)


class NotRunning(SystemFault):
    """A member was asked for something that needs its process."""

    def __init__(self, name: str, condition: str) -> None:
        """`condition` says what became of it: `is stopped`, `exited with code 3`."""
        super().__init__(f"{name} is not running: it {condition}")
        self.name = name


class DisksRefused(SystemFault):
    """The disks of a cluster could not be mounted."""

    def __init__(self, reason: str, lines: Sequence[object] = ()) -> None:
        """`lines` is what the mounting process printed."""
        told = [f"no disks for the cluster: the process that mounts them {reason}"]
        super().__init__("\n".join([*told, *(f"  | {line}" for line in lines)]))


class NotFound(SystemFault):
    """`module:attribute` does not lead to a system."""
