"""The port `Network` of `quarterdeck.agent.ports` in memory: a note of who is connected."""

from quarterdeck.agent.kernels.errors import KernelNotStarted
from quarterdeck.wire.agents import KernelCreate


class FakeNetwork:
    """The port `Network`: notes who is in it. Set `failure` to have a join fail."""

    def __init__(self) -> None:
        self.members: dict[str, int] = {}
        self.failure: KernelNotStarted | None = None

    async def join(self, id_: str, pid: int, request: KernelCreate) -> None:
        """Note a kernel that has peers."""
        if self.failure is not None:
            raise self.failure
        if request.peers:
            self.members[id_] = pid

    def leave(self, id_: str) -> None:
        """Forget it."""
        self.members.pop(id_, None)
