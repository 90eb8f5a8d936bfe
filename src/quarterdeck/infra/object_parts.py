"""The parts in which an object is written: none is too many for S3, and none takes much memory. For `object_store`."""

from collections.abc import AsyncIterator

PART_BYTES = 8 * 1024 * 1024
PARTS_MAX = 10_000
PARTS_ALIKE = 2500
"""After so many parts of one size they grow: small files take little memory, and large ones end before the last part that S3 takes."""


def part_bytes(number: int) -> int:
    """Return how large a part of an upload is, counted from 0."""
    return PART_BYTES * (1 + number // PARTS_ALIKE)


async def split(chunks: AsyncIterator[bytes | memoryview]) -> AsyncIterator[bytes]:
    """Join chunks to parts; only the last is smaller than it might be, none is empty."""
    buffer = bytearray()
    number = 0
    async for chunk in chunks:
        buffer += chunk
        while len(buffer) >= (size := part_bytes(number)):
            yield bytes(buffer[:size])
            del buffer[:size]
            number += 1
    if buffer:
        yield bytes(buffer)
