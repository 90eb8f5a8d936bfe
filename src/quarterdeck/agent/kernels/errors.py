"""What can go wrong with a kernel's process.

QuarterdeckError
├── KernelNotStarted    it could not be set up; carries the code of the reason
├── KernelDied          its process ended by itself
├── KernelTerminated    it was destroyed on request
├── KernelBusy          too many runs wait for their turn
├── RunNotFound         nobody asked for this run
├── RunForgotten        it ended, and what came of it is not kept any more
├── RunConflict         a run of this id was asked for in another way
├── InputNotWanted      the run does not ask for this input
├── TooManyWatchers     too many wait for news of one run
├── TerminalFailed      no shell could be started in the kernel
├── TooManyViewers      too many look at one terminal
├── ForkServerDied      the zygote is gone, and every kernel with it
├── AgentLeft           the agent stops while the kernel goes on
└── ScratchInUse        another agent works in the scratch directory
"""

from typing import ClassVar

from quarterdeck.base.errors import QuarterdeckError


class KernelNotStarted(QuarterdeckError):
    """The kernel could not be started."""

    code = "kernel-failed"

    def __init__(self, detail: str, *, code: str = "kernel-failed") -> None:
        """Take the code that the set-up gave."""
        super().__init__(detail)
        self.code = code  # type: ignore[misc]  # one condition for callers, several reasons for people


class KernelDied(QuarterdeckError):
    """The kernel's process has ended."""

    code = "kernel-died"


class KernelTerminated(QuarterdeckError):
    """The kernel has been terminated."""

    code = "kernel-terminated"


class KernelBusy(QuarterdeckError):
    """The kernel is executing something else, and enough waits already."""

    code = "kernel-busy"


class RunNotFound(QuarterdeckError):
    """The kernel knows no such run."""

    code = "run-not-found"


class RunForgotten(QuarterdeckError):
    """The run is over, and what came of it is not kept any more."""

    code = "run-forgotten"


class RunConflict(QuarterdeckError):
    """A run with this id was asked for with other code."""

    code = "run-conflict"


class InputNotWanted(QuarterdeckError):
    """The run does not ask for this input."""

    code = "input-not-wanted"


class TooManyWatchers(QuarterdeckError):
    """Too many requests wait for news of this run already."""

    code = "too-many-requests"


class TerminalFailed(QuarterdeckError):
    """No shell could be started in the kernel."""

    code = "terminal-failed"


class TooManyViewers(QuarterdeckError):
    """Too many connections look at this terminal already."""

    code = "too-many-requests"


class ForkServerDied(QuarterdeckError):
    """The process that starts kernels has died, and all kernels with it."""

    code: ClassVar[str] = "unavailable"


class AgentLeft(QuarterdeckError):
    """The agent stops; the kernel and what it runs go on without it."""

    code = "outcome-unknown"


class ScratchInUse(QuarterdeckError):
    """Another agent works in this scratch directory."""

    code = "unavailable"
