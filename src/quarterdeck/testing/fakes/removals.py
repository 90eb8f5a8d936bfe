"""What is left of sessions that were ended by force, without a database."""

from collections.abc import Sequence

from quarterdeck.manager.sessions.removal_ports import Removal


class FakeRemovals:
    """The port `Removals`: what is left, in a list; agents that were postponed and kernels that were put off, in others."""

    def __init__(self, *left: Removal) -> None:
        self.left = list(left)
        self.postponed: list[str] = []
        self.later: list[str] = []

    async def due(self) -> Sequence[Removal]:
        """Return those that were not put off, of agents that were not postponed."""
        return [
            each
            for each in self.left
            if each.agent not in self.postponed and each.kernel not in self.later
        ]

    async def done(self, kernel: str) -> None:
        """Forget one."""
        self.left = [each for each in self.left if each.kernel != kernel]

    async def put_off(self, kernel: str) -> None:
        """Leave one alone."""
        self.later.append(kernel)

    async def postpone(self, removal: Removal) -> None:
        """Leave an agent alone, and one of its kernels for longer."""
        self.postponed.append(removal.agent)
        self.later.append(removal.kernel)
