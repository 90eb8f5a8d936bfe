"""The content that a request carries: as a stream, and what its headers announce of it."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

from aiohttp import web

from quarterdeck.infra import large_bodies
from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.ports import Block
from quarterdeck.storage_proxy.transfers.checksums import Checksum
from quarterdeck.storage_proxy.transfers.pieces import WHOLE
from quarterdeck.wire.errors import Invalid

SILENCE_SECONDS_MAX = 20.0
"""A client that sends nothing for so long has gone, whatever its connection says: others may write then."""

_CRC32 = "X-Content-CRC32"
_CRC32_DIGITS = re.compile(r"[0-9a-fA-F]{8}\Z")
_SHA256_DIGITS = re.compile(r"[0-9a-fA-F]{64}\Z")


def announced(request: web.Request) -> Checksum | None:
    """Return the checksum that the content shall have. Raises `Invalid`."""
    if (found := request.headers.get(_CRC32)) is None:
        return whole(request)
    if not _CRC32_DIGITS.match(found):
        raise Invalid(_CRC32, "a CRC-32 has 8 hexadecimal digits")
    if WHOLE in request.headers:
        raise Invalid(_CRC32, f"give this or {WHOLE}")
    return Checksum("crc32", bytes.fromhex(found), _CRC32)


def whole(request: web.Request) -> Checksum | None:
    """Return the SHA-256 that the content shall have, or the whole file that it ends. Raises `Invalid`."""
    if (found := request.headers.get(WHOLE)) is None:
        return None
    if not _SHA256_DIGITS.match(found):
        raise Invalid(WHOLE, "a SHA-256 has 64 hexadecimal digits")
    return Checksum("sha256", bytes.fromhex(found), WHOLE)


@contextlib.asynccontextmanager
async def received(request: web.Request) -> AsyncIterator[AsyncIterator[Block]]:
    """Give a body's blocks, each good until the next is asked for. They end in `UploadIncomplete` when the body ends early."""
    if (request.content_length or 0) < large_bodies.LARGE_BYTES:
        yield _told(_small(request))
        return
    async with large_bodies.taken(request, SILENCE_SECONDS_MAX) as blocks:
        yield _told(blocks)


async def _small(request: web.Request) -> AsyncIterator[Block]:
    """Give what the socket has, when it has it."""
    while True:
        async with asyncio.timeout(SILENCE_SECONDS_MAX):
            block = await request.content.readany()
        if not block:
            return
        yield block


async def _told(blocks: AsyncIterator[Block]) -> AsyncIterator[Block]:
    try:
        async for block in blocks:
            yield block
    except (web.RequestPayloadError, ConnectionError) as error:
        raise errors.UploadIncomplete from error
    except TimeoutError:
        raise errors.UploadIncomplete("nothing came for too long") from None
