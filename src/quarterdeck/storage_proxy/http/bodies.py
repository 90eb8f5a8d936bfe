"""The content that a request carries: as a stream, and what its headers announce of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

from aiohttp import web

from quarterdeck.infra import large_bodies
from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.ports import Block
from quarterdeck.storage_proxy.transfers import checksums
from quarterdeck.storage_proxy.transfers.checksums import Checksum
from quarterdeck.storage_proxy.transfers.pieces import WHOLE
from quarterdeck.wire.errors import Invalid

SILENCE_SECONDS_MAX = 20.0
"""A client that sends nothing for so long has gone, whatever its connection says: others may write then."""


def announced(headers: Mapping[str, str]) -> Checksum | None:
    """Return the checksum that the content shall have, or the whole file that it ends. Raises `Invalid`."""
    told = [each for each in WHOLE.items() if each[1] in headers]
    if not told:
        return None
    algorithm, header = told[-1]
    if len(told) > 1:
        raise Invalid(header, f"give this or {told[0][1]}")
    digits = headers[header]
    if not checksums.is_digest(algorithm, digits):
        raise Invalid(header, f"this has {2 * checksums.BYTES[algorithm]} hexadecimal digits")
    return Checksum(algorithm, bytes.fromhex(digits), header)


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
    while not request.content.at_eof():
        if not (block := request.content.read_nowait()):
            async with asyncio.timeout(SILENCE_SECONDS_MAX):
                block = await request.content.readany()
        if block:
            yield block


async def _told(blocks: AsyncIterator[Block]) -> AsyncIterator[Block]:
    try:
        async for block in blocks:
            yield block
    except (web.RequestPayloadError, ConnectionError) as error:
        raise errors.UploadIncomplete from error
    except TimeoutError:
        raise errors.UploadIncomplete("nothing came for too long") from None
