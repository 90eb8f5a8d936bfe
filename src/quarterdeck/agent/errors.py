"""Why an agent refuses something. What goes wrong with a kernel's process is in `quarterdeck.agent.kernels.errors`.

QuarterdeckError
├── KernelNotFound
├── KernelConflict         a kernel of this id was asked for in another way
├── KernelNotRunning       it starts, ends or has ended
├── KernelRestarted        what ran in it ended when it was restarted
├── KernelTakesNoCode      it is a program of its user, not an interpreter
├── InsufficientCapacity
├── ImageNotFound
├── MountsUnsupported      this machine allows no mounts to the agent's user
├── IsolationUnsupported   this machine keeps kernels less apart than is demanded
├── TerminalsUnsupported   this machine keeps kernels in no namespaces
├── NetworkUnsupported     this machine keeps kernels in no networks of their own
├── PortRefused            nothing in the kernel serves a port
├── TooManyConnections
├── TerminalNotFound
├── TooManyTerminals
├── ScratchStays           what a kernel left on disk could not be removed
├── Stopping               the agent ends and takes nothing new
├── OtherAgent             the request is for an agent of another id
└── NotConfigured          etcd lacks something that every agent needs
"""

from quarterdeck.base.errors import QuarterdeckError


class KernelNotFound(QuarterdeckError):
    """There is no such kernel here."""

    code = "kernel-not-found"


class KernelConflict(QuarterdeckError):
    """A kernel with this id was asked for in another way."""

    code = "kernel-conflict"


class KernelNotRunning(QuarterdeckError):
    """The kernel is not running."""

    code = "kernel-not-running"


class KernelRestarted(QuarterdeckError):
    """The kernel was restarted; what ran in it is gone."""

    code = "kernel-restarted"


class KernelTakesNoCode(QuarterdeckError):
    """The kernel runs a command and takes no code."""

    code = "session-takes-no-code"


class InsufficientCapacity(QuarterdeckError):
    """This agent has not enough free slots."""

    code = "insufficient-capacity"


class ImageNotFound(QuarterdeckError):
    """This agent has no such image."""

    code = "image-not-found"


class MountsUnsupported(QuarterdeckError):
    """This agent's machine allows no mounts to the agent's user."""

    code = "mounts-unsupported"


class IsolationUnsupported(QuarterdeckError):
    """This agent's machine cannot keep kernels apart as well as is demanded."""

    code = "isolation-unsupported"


class TerminalsUnsupported(QuarterdeckError):
    """This agent's machine keeps the kernel in no namespaces; a shell would not be held to its limits."""

    code = "terminals-unsupported"


class NetworkUnsupported(QuarterdeckError):
    """The kernel has no network of its own: its ports would be those of the machine."""

    code = "network-unsupported"


class PortRefused(QuarterdeckError):
    """Nothing in the kernel serves this port."""

    code = "port-refused"


class TooManyConnections(QuarterdeckError):
    """The kernel has too many connections."""

    code = "too-many-connections"


class TerminalNotFound(QuarterdeckError):
    """There is no such terminal open in the kernel."""

    code = "terminal-not-found"


class TooManyTerminals(QuarterdeckError):
    """The kernel has too many terminals."""

    code = "too-many-terminals"


class ScratchStays(QuarterdeckError):
    """What the kernel left on disk cannot be removed."""

    code = "unavailable"


class Stopping(QuarterdeckError):
    """This agent is stopping."""

    code = "unavailable"


class OtherAgent(QuarterdeckError):
    """The request is for another agent: an earlier one at this address, say."""

    code = "other-agent"


class NotConfigured(QuarterdeckError):
    """The cluster's configuration in etcd lacks something."""

    code = "unavailable"
