"""The images of agents, as the manager's sessions see them, in memory: a pull goes on when a test says so."""

from quarterdeck.wire import agents
from quarterdeck.wire.agents import AgentImage, PullStatus


class FakeAgentImages:
    """The port `Images` of sessions. `begins_as` is how a pull looks at first, `failures` are raised by the next calls of that name, one each."""

    def __init__(self, status: PullStatus = PullStatus.PULLING) -> None:
        self.images: dict[str, AgentImage] = {}
        self.begins_as = status
        self.calls: list[str] = []
        self.sources: list[agents.ImagePull] = []
        self.failures: dict[str, list[Exception]] = {}

    async def pull(self, address: str, digest: str, source: agents.ImagePull) -> AgentImage:
        """Begin a pull; one that has failed anew."""
        self._called("pull")
        self.sources.append(source)
        known = self.images.get(digest)
        if known is None or known.status is PullStatus.FAILED:
            self.images[digest] = AgentImage(digest=digest, status=self.begins_as)
        return self.images[digest]

    async def image(self, address: str, digest: str) -> AgentImage | None:
        """Return how far an image is."""
        self._called("image")
        return self.images.get(digest)

    def goes(self, digest: str, status: PullStatus, reason: str | None = None) -> None:
        """Let a pull come to something."""
        self.images[digest] = AgentImage(
            digest=digest,
            status=status,
            bytes_done=100,
            bytes_total=100,
            layer=2,
            layers=2,
            reason=reason,
        )

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.failures.get(name):
            raise self.failures[name].pop(0)
