"""What is left of sessions that were ended by force, without a database."""

from collections.abc import Sequence

from quarterdeck.manager.sessions.removal_ports import Removal


class FakeRemovals:
    """The port `Removals`: what is left, in a list; agents that were postponed, in another."""

    def __init__(self, *left: Removal) -> None:
        self.left = list(left)
        self.postponed: list[str] = []

    async def due(self) -> Sequence[Removal]:
        """Return those of agents that were not postponed."""
        return [each for each in self.left if each.agent not in self.postponed]

    async def done(self, kernel: str) -> None:
        """Forget one."""
        self.left = [each for each in self.left if each.kernel != kernel]

    async def postpone(self, agent: str) -> None:
        """Leave an agent alone."""
        self.postponed.append(agent)
