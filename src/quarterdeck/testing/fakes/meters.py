"""The port `Meters` without a storage-proxy."""

from quarterdeck.manager.folders import model
from quarterdeck.wire.trees import QuotaLimits, QuotaView

NO_LIMITS = QuotaLimits(None, None)


class FakeMeters:
    """Limits by scope; nothing is used."""

    def __init__(self) -> None:
        self.limits: dict[str, QuotaLimits] = {}

    async def quota(self, host: model.Host, scope: str) -> QuotaView:
        """Return limits and usage."""
        return QuotaView(self.limits.get(scope, NO_LIMITS), 0, 0)

    async def limit(self, host: model.Host, scope: str, limits: QuotaLimits) -> None:
        """Set limits."""
        self.limits[scope] = limits
