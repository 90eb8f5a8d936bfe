"""An upload's content on its way from a socket to a volume: its SHA-256 is computed beside, in a thread, and judged at its end.

Memory is bounded: one block is hashed and written while the connection's buffer takes in the next.
"""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncGenerator, AsyncIterator

from quarterdeck.storage_proxy import errors

_INLINE_BYTES_MAX = 64 * 1024
"""What is hashed faster than a thread is told to."""


class Checked:
    """Content whose end is an error if it is not what was announced, so that no volume keeps it."""

    def __init__(self, blocks: AsyncIterator[bytes], announced: str | None) -> None:
        """Expect a content whose SHA-256 in hexadecimal is `announced`; None takes any."""
        self._blocks = blocks
        self._announced = announced
        self._content = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The SHA-256 of what has passed so far, in hexadecimal."""
        return self._content.hexdigest()

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """Pass the blocks on. Raises `ChecksumMismatch` after the last one."""
        loop = asyncio.get_running_loop()
        async for block in self._blocks:
            if len(block) <= _INLINE_BYTES_MAX:
                self._content.update(block)
                yield block
                continue
            hashed = loop.run_in_executor(None, self._content.update, block)
            try:
                yield block
            finally:
                await hashed
        if self._announced and not hmac.compare_digest(self.sha256, self._announced.lower()):
            raise errors.ChecksumMismatch(f"received {self.sha256}", field="X-Content-SHA256")
