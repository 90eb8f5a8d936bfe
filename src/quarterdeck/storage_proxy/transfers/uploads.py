"""An upload's content on its way from a socket to a volume: checksums that take long are computed beside, in a thread, and judged at its end.

Memory is bounded: one block is hashed and written while the connection's buffer takes in the next.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.ports import Block
from quarterdeck.storage_proxy.transfers import checksums
from quarterdeck.storage_proxy.transfers.checksums import Checksum, Digest


async def hashed(blocks: AsyncIterator[Block], *digests: Digest) -> AsyncGenerator[Block, None]:
    """Pass blocks on; each is taken in by the checksums while whoever asked works on it."""
    loop = asyncio.get_running_loop()
    async for block in blocks:
        long = []
        for digest in digests:
            if checksums.takes_a_moment(digest, len(block)):
                digest.update(block)
            else:
                long.append(digest)
        taken = loop.run_in_executor(None, _take_in, block, long) if long else None
        try:
            yield block
        finally:
            if taken is not None:
                await taken


def _take_in(block: Block, digests: Sequence[Digest]) -> None:
    for digest in digests:
        digest.update(block)


class Checked:
    """Content whose end is an error if it is not what was announced, or too much, so that no volume keeps it."""

    def __init__(
        self, blocks: AsyncIterator[Block], announced: Checksum | None, bytes_max: int
    ) -> None:
        """Expect a content with this checksum; None takes any."""
        self._blocks = blocks
        self._announced = announced
        self._bytes_max = bytes_max
        self.algorithm = "sha256" if announced is None else announced.algorithm
        self._content = checksums.begun(self.algorithm)

    @property
    def checksum(self) -> str:
        """The checksum of what has passed so far, in hexadecimal."""
        return self._content.hexdigest()

    async def blocks(self) -> AsyncGenerator[Block, None]:
        """Pass the blocks on. Raises `FileTooLarge`, `ChecksumMismatch` after the last one."""
        size = 0
        async for block in hashed(self._blocks, self._content):
            size += len(block)
            if size > self._bytes_max:
                raise errors.FileTooLarge(f"a file has at most {self._bytes_max} bytes")
            yield block
        if self._announced is not None:
            checksums.compare(self._content, self._announced)


def require_size(size: int | None, bytes_max: int) -> None:
    """Raise `FileTooLarge` if a size that was announced is."""
    if size is not None and size > bytes_max:
        raise errors.FileTooLarge(f"a file has at most {bytes_max} bytes", field="Content-Length")
