"""Why something cannot be done by hand to a running system; shown in words.

HandFault
├── NothingRuns     no system of that name, or none at all, is up
├── SeveralRun      a name is needed to tell them apart
├── MemberUnknown   the system has no such member
├── NotAnswering    the process that holds the system does not listen, or went away meanwhile
├── Misused         the request does not fit the system
└── Refused         the system could not do it
    └── StillThere  it does not end
"""

from collections.abc import Iterable


class HandFault(Exception):
    """Something cannot be done to a running system."""


class NothingRuns(HandFault):
    """No system is up, or none of that name."""

    def __init__(self, name: str = "") -> None:
        """`name` is what was asked for, if anything."""
        super().__init__(f"no system {name!r} is up" if name else "no system is up")
        self.name = name


class SeveralRun(HandFault):
    """A name is needed to tell the running systems apart."""

    def __init__(self, names: Iterable[str]) -> None:
        """`names` are those of the running systems."""
        super().__init__(f"several systems are up, say which one: {', '.join(names)}")


class MemberUnknown(HandFault):
    """The system has no such member."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        """`known` are its members."""
        super().__init__(f"no component {name!r}; there are {', '.join(known)}")


class NotAnswering(HandFault):
    """The process that holds the system does not listen, or went away meanwhile."""

    def __init__(self, name: str, why: str) -> None:
        """`name` is the system's."""
        super().__init__(f"{name} does not answer: {why}")


class Misused(HandFault):
    """The request does not fit the system."""


class Refused(HandFault):
    """The system could not do what it was asked for."""


class StillThere(Refused):
    """A system was told to end, and something of it stays."""

    def __init__(self, name: str, left: Iterable[str]) -> None:
        """`left` is what stays, each in words."""
        told = "\n".join(f"  {one}" for one in left)
        super().__init__(
            f"{name} was told to end and killed, and this is left of it:\n{told}\n"
            "a process in state D waits for a disk, one in state T was stopped (kill -CONT); the next run of the harness "
            "ends and removes what dead runs have left"
        )
