"""Running out of memory: the kernel refuses the member each further page; see `limits`.

What then happens is the program's own affair: an error for one request, or its end. Both are part of the fault.
"""

import contextlib
import resource
from dataclasses import dataclass, field

from shakeout.faults import limits, tree
from shakeout.faults.limits import Lowered
from shakeout.faults.process import Deadly
from shakeout.system.cluster import Cluster


@dataclass
class OutOfMemory(Deadly):
    """RLIMIT_AS of all its processes goes down to what they use; a member that ends of it is started again."""

    name = "out-of-memory"
    _lowered: list[Lowered] = field(default_factory=list, init=False)

    async def inject(self, cluster: Cluster) -> None:
        """Lower the limit of each process, children first: the parent may be checked for it later."""
        self.brace(cluster)
        for one in reversed(tree.living(tree.pid(cluster, self.target))):
            with contextlib.suppress(ProcessLookupError):
                used = limits.mapped_bytes(one.pid)
                self._lowered.append(limits.lower(one, resource.RLIMIT_AS, used))

    async def missing_effect(self, cluster: Cluster) -> str:  # noqa: ARG002 - asks the kernel
        """The kernel must know the limits, and let nobody beyond; or the member has ended."""
        for one in self._lowered:
            with contextlib.suppress(ProcessLookupError):
                limit, used = (
                    limits.soft(one.process, one.what),
                    limits.mapped_bytes(one.process.pid),
                )
                if limits.lives(one.process) and not used <= limit == one.now:
                    return f"{one.process.comm} maps {used} bytes of {limit}"
        return "" if self._lowered else f"{self.target} had no process"

    async def recover(self, cluster: Cluster) -> None:  # noqa: ARG002 - asks the kernel
        """Give the memory back."""
        limits.restore(self._lowered)

    async def missing_recovery(self, cluster: Cluster) -> str:
        """It must answer, and nobody be limited any more."""
        for one in self._lowered:
            with contextlib.suppress(ProcessLookupError):
                if limits.lives(one.process) and limits.soft(one.process, one.what) == one.now:
                    return f"{one.process.comm} is still limited to {one.now} bytes"
        return await super().missing_recovery(cluster)
