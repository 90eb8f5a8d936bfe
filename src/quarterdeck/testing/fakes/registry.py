"""The ports `Registry` and `Registries` of agents in memory: serves a layout, counts what it is asked, and fails as it is told to."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator

from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.testing.image_layouts import Layout
from quarterdeck.wire.agents import ImagePull
from quarterdeck.wire.oci import Descriptor

SOURCE = ImagePull(registry="http://registry.invalid", repository="tests")
_PIECE_BYTES = 2**16


class FakeRegistry:
    """Set `refusal` to have everything fail, clear `gate` to hold layers up; `replaced` has other bytes for a digest."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.refusal: QuarterdeckError | None = None
        self.replaced: dict[str, bytes] = {}
        self.asked: Counter[str] = Counter()
        self.gate = asyncio.Event()
        self.gate.set()

    @contextlib.asynccontextmanager
    async def open(self, source: ImagePull) -> AsyncIterator["FakeRegistry"]:
        """Return it, whatever the source."""
        yield self

    async def manifest(self, digest: str) -> bytes:
        """Return a manifest."""
        return self._content(digest)

    async def blob(self, wanted: Descriptor) -> AsyncGenerator[bytes, None]:
        """Give a blob in pieces; half of it, while the gate is closed."""
        digest = wanted.digest
        data = self._content(digest)
        half = len(data) // 2
        for start, end in ((0, half), (half, len(data))):
            for at in range(start, end, _PIECE_BYTES):
                yield data[at : min(at + _PIECE_BYTES, end)]
            if ".layer." in self.layout.media_types[digest]:
                await self.gate.wait()

    def _content(self, digest: str) -> bytes:
        self.asked[digest] += 1
        if self.refusal is not None:
            raise self.refusal
        return self.replaced.get(digest, self.layout.blobs[digest])
