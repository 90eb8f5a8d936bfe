"""One pull of an image: how far it has come, and what it needs to stay on disk meanwhile. Used by `store`."""

from dataclasses import dataclass, field

from quarterdeck.wire.agents import AgentImage, PullStatus


@dataclass
class Pull:
    """A pull, under way or failed. `needs` are digests of blobs and of trees that must not be removed."""

    digest: str
    status: PullStatus = PullStatus.PULLING
    bytes_done: int = 0
    bytes_total: int = 0
    layer: int = 0
    layers: int = 0
    reason: str | None = None
    reserved_bytes: int = 0
    """What it takes for sure."""
    probable_bytes: int = 0
    """What it will take besides, probably: that keeps others off, but evicts nothing."""
    needs: set[str] = field(default_factory=set)

    def fail(self, reason: str) -> None:
        """Take note why nothing came of it."""
        self.status, self.reason = PullStatus.FAILED, reason
        self.reserved_bytes = self.probable_bytes = 0
        self.needs.clear()

    def know(self, size: int) -> None:
        """Take note of all that it takes."""
        self.reserved_bytes, self.probable_bytes = size, 0

    def view(self) -> AgentImage:
        """Return it as others see it."""
        return AgentImage(
            digest=self.digest,
            status=self.status,
            bytes_done=self.bytes_done,
            bytes_total=self.bytes_total,
            layer=self.layer,
            layers=self.layers,
            reason=self.reason,
        )
