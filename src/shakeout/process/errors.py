"""What can go wrong with processes.

ProcessError
├── StartFailed            the program never ran
│   ├── ExecutableMissing
│   ├── ExecutableRefused
│   ├── DirectoryMissing
│   └── ImportFailed       the zygote could not import a module
├── StartTimedOut          it runs, but did not become ready
├── ComponentDied          it ended when nobody expected it to
├── HarnessDied            reaper, spawner or zygote ended
├── NotRunning             there is no process any more to do this to
├── SignalRefused          the system does not let us signal the process
├── NoFreePort
└── DirectoryRefused       a run directory cannot be made
"""

from collections.abc import Sequence

from shakeout.process.logs import LogLine
from shakeout.process.spawn import Exit

LINES_SHOWN = 20


class ProcessError(Exception):
    """Something went wrong with a process of the run."""


class StartFailed(ProcessError):
    """A program could not be started."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} could not be started: {reason}")
        self.name = name
        self.reason = reason


class ExecutableMissing(StartFailed):
    """The executable does not exist, or its interpreter does not."""


class ExecutableRefused(StartFailed):
    """The system refuses to run the executable: no permission, or not an executable."""


class DirectoryMissing(StartFailed):
    """The working directory or the log's directory is gone."""


class ImportFailed(StartFailed):
    """The zygote could not import a module; `traceback` tells where."""

    def __init__(self, module: str, traceback: str) -> None:
        super().__init__("zygote", f"import of {module} failed\n{traceback}")
        self.module = module
        self.traceback = traceback


class StartTimedOut(ProcessError):
    """A component did not become ready in time; it may still run."""

    def __init__(
        self, name: str, within: float, missing: str, lines: Sequence[LogLine] = ()
    ) -> None:
        super().__init__(f"{name} not ready within {within:g} s: {missing}{_logged(lines)}")
        self.name = name
        self.within = within
        self.missing = missing
        self.lines = tuple(lines)


class ComponentDied(ProcessError):
    """A process ended although nobody asked it to; carries its last log lines."""

    def __init__(self, name: str, exit: Exit, lines: Sequence[LogLine] = ()) -> None:  # noqa: A002 (the noun)
        super().__init__(f"{name} {exit}{_logged(lines)}")
        self.name = name
        self.exit = exit
        self.lines = tuple(lines)


class HarnessDied(ProcessError):
    """A process of the harness itself ended; its run is over and being cleaned away."""

    def __init__(self, name: str, detail: str = "") -> None:
        super().__init__(f"the harness's {name} died{': ' if detail else ''}{detail}")
        self.name = name
        self.detail = detail


class NotRunning(ProcessError):
    """The process has ended."""

    def __init__(self, name: str, exit: Exit | None) -> None:  # noqa: A002 (the noun)
        super().__init__(f"{name} is not running: it {exit}")
        self.name = name
        self.exit = exit


class SignalRefused(ProcessError):
    """The process runs as somebody whom this user may not signal, or there is no such signal."""


class NoFreePort(ProcessError):
    """Every port of the range is leased or in use."""


class DirectoryRefused(ProcessError):
    """The directory cannot hold runs: not ours, not writable, or its path is too long."""


def _logged(lines: Sequence[LogLine]) -> str:
    if not lines:
        return "\n  (it logged nothing)"
    shown = [f"  | {line}" for line in lines[-LINES_SHOWN:]]
    return "\n".join([f"\nlast {len(shown)} log lines:", *shown])
