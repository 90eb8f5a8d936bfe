"""The port of the manager's reconciler without a database."""

from collections.abc import Sequence

from quarterdeck.manager.sessions import model
from quarterdeck.testing.fakes.manager import ADDRESS, AGENT, FakeBooks
from quarterdeck.wire.states import KernelStatus, SessionType


class FakeLedger:
    """The reconciler's ledger over `FakeBooks`, with one agent."""

    def __init__(self, books: FakeBooks) -> None:
        self._books = books
        self.lost: list[list[str]] = []

    async def alive(self) -> Sequence[model.Place]:
        """Return the one agent."""
        return [model.Place(AGENT, ADDRESS)]

    async def place(self, agent: str) -> model.Place | None:
        """Return the agent, if it is the one."""
        return model.Place(AGENT, ADDRESS) if agent == AGENT else None

    async def running_on(self, agent: str) -> Sequence[model.Running]:
        """Return the kernels that are RUNNING."""
        type_ = SessionType.BATCH if self._books.command else SessionType.INTERACTIVE
        return [
            model.Running(kernel, type_, generation=self._books.generation(kernel))
            for kernel, status in self._books.kernels.items()
            if status is KernelStatus.RUNNING
        ]

    async def agent_of_running(self, kernel: str) -> str | None:
        """Return the one agent for a kernel that is RUNNING."""
        running = {one.kernel for one in await self.running_on(AGENT)}
        return AGENT if kernel in running else None

    async def orphans(self, kernels: Sequence[str]) -> Sequence[str]:
        """Return kernels that have ended or never were."""
        gone = {KernelStatus.TERMINATED, None}
        return [each for each in kernels if self._books.kernels.get(each) in gone]

    async def settle_lost(self) -> Sequence[str]:
        """Give the next of `lost`."""
        return self.lost.pop(0) if self.lost else []
