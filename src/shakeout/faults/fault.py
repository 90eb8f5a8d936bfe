"""What a fault is: something that can be done to a running cluster, seen to work, undone, and seen to be undone.

`shakeout.faults.lifecycle` takes it through these steps; `shakeout.faults.catalogue` lists all of them.
"""

from typing import Protocol

from shakeout.system.cluster import Cluster


class Fault(Protocol):
    """One fault with its targets. What is missing is told in words, so that a time-out can tell it, too."""

    @property
    def name(self) -> str:
        """`kill`, `cut` ...: the same for all targets."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Members it is done to: `("manager",)`, or source and target of a link. The first one is whose test it is."""

    def available(self, cluster: Cluster) -> str:
        """Empty when it can be injected here, else why not."""

    async def inject(self, cluster: Cluster) -> None:
        """Do it."""

    async def missing_effect(self, cluster: Cluster) -> str:
        """Empty when its effect is seen in the world, else what is missing."""

    async def recover(self, cluster: Cluster) -> None:
        """Undo it: whatever of it happened, also if injecting it failed half-way or never began."""

    async def missing_recovery(self, cluster: Cluster) -> str:
        """Empty when the world is as before, else what is missing."""
