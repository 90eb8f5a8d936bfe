"""What can go wrong with a kernel's process.

QuarterdeckError
├── KernelNotStarted    it could not be set up; carries the code of the reason
├── KernelDied          its process ended by itself
├── KernelTerminated    it was destroyed on request
├── KernelBusy          too many executions wait for their turn
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


class ForkServerDied(QuarterdeckError):
    """The process that starts kernels has died, and all kernels with it."""

    code: ClassVar[str] = "unavailable"


class AgentLeft(QuarterdeckError):
    """The agent stops; the kernel and what it runs go on without it."""

    code = "outcome-unknown"


class ScratchInUse(QuarterdeckError):
    """Another agent works in this scratch directory."""

    code = "unavailable"
