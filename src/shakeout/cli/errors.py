"""Why a command of `shakeout` cannot do what it was asked; shown in words, with exit code 2.

CommandFault
├── TargetNotFound     `module:attribute` does not lead to a system
├── NothingRuns        no system of that name, or none at all, is up
├── SeveralRun         a name is needed to tell them apart
├── AlreadyRuns        a system of that name is up
└── MemberUnknown      the system has no such member
"""

from collections.abc import Iterable


class CommandFault(Exception):
    """The command was used wrongly, or does not fit what runs."""


class TargetNotFound(CommandFault):
    """`module:attribute` does not lead to a system."""


class NothingRuns(CommandFault):
    """No system is up, or none of that name."""

    def __init__(self, name: str = "") -> None:
        """`name` is what was asked for, if anything."""
        super().__init__(f"no system {name!r} is up" if name else "no system is up")
        self.name = name


class SeveralRun(CommandFault):
    """A name is needed to tell the running systems apart."""

    def __init__(self, names: Iterable[str]) -> None:
        """`names` are those of the running systems."""
        super().__init__(f"several systems are up, say which one: {', '.join(names)}")


class AlreadyRuns(CommandFault):
    """A system of that name is up."""

    def __init__(self, name: str) -> None:
        """`name` is taken."""
        super().__init__(
            f"{name!r} is already up: `shakeout down {name}`, or choose another --name"
        )


class MemberUnknown(CommandFault):
    """The system has no such member."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        """`known` are its members."""
        super().__init__(f"no component {name!r}; there are {', '.join(known)}")
