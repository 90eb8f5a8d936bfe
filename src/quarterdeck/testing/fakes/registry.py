"""The port `Registry` of agents in memory: serves a layout, counts what it is asked, and fails as it is told to."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.testing.image_layouts import Layout
from quarterdeck.wire.agents import ImagePull

SOURCE = ImagePull(registry="http://registry.invalid", repository="tests")
_PIECE_BYTES = 2**16


class FakeRegistry:
    """Set `refusal` to have everything fail, clear `gate` to hold layers up; `replaced` has other bytes for a digest."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.refusal: QuarterdeckError | None = None
        self.refusals_left = -1
        self.replaced: dict[str, bytes] = {}
        self.asked: Counter[str] = Counter()
        self.gate = asyncio.Event()
        self.gate.set()

    async def manifest(self, source: ImagePull, digest: str) -> bytes:
        """Return a manifest."""
        return self._content(digest)

    async def blob(self, source: ImagePull, digest: str) -> AsyncIterator[bytes]:
        """Yield a blob in pieces; half of it, while the gate is closed."""
        data = self._content(digest)
        half = len(data) // 2
        for start, end in ((0, half), (half, len(data))):
            for at in range(start, end, _PIECE_BYTES):
                yield data[at : min(at + _PIECE_BYTES, end)]
            if ".layer." in self.layout.media_types[digest]:
                await self.gate.wait()

    def _content(self, digest: str) -> bytes:
        self.asked[digest] += 1
        if self.refusal is not None and self.refusals_left != 0:
            self.refusals_left -= 1
            raise self.refusal
        return self.replaced.get(digest, self.layout.blobs[digest])
