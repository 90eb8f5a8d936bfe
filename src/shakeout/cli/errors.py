"""Why a command of `shakeout` cannot do what it was asked; shown in words, with exit code 2.

What goes wrong with a system that runs is in `shakeout.hand.errors`.

CommandFault
├── TargetNotFound      `module:attribute` does not lead to a system
├── AlreadyRuns         a system of that name is up
├── ProgramMissing      a program that the command would start is not there
├── NothingToReport     no evidence was kept there
└── EvidenceUnreadable  what was kept there cannot be read
"""


class CommandFault(Exception):
    """The command was used wrongly, or does not fit what runs."""


class TargetNotFound(CommandFault):
    """`module:attribute` does not lead to a system."""


class AlreadyRuns(CommandFault):
    """A system of that name is up."""

    def __init__(self, name: str) -> None:
        """`name` is taken."""
        super().__init__(
            f"{name!r} is already up: `shakeout down {name}`, or choose another --name"
        )


class ProgramMissing(CommandFault):
    """A program that the command would start is not there."""

    def __init__(self, program: str, remedy: str) -> None:
        """`remedy` says how to get it."""
        super().__init__(f"{program} is not there: {remedy}")


class NothingToReport(CommandFault):
    """No evidence was kept there."""

    def __init__(self, directory: str) -> None:
        """`directory` is where it would be."""
        super().__init__(
            f"no evidence in {directory}: nothing used a cluster, or nothing failed; "
            "`pytest --evidence all` keeps that of every test"
        )


class EvidenceUnreadable(CommandFault):
    """What was kept there cannot be read."""
