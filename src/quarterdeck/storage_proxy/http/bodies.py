"""The content that a request carries: as a stream, and what its headers announce of it."""

import asyncio
import re
from collections.abc import AsyncIterator

from aiohttp import web

from quarterdeck.storage_proxy import errors
from quarterdeck.wire.errors import Invalid

SILENCE_SECONDS_MAX = 20.0
"""A client that sends nothing for so long has gone, whatever its connection says: others may write then."""

_SHA256 = re.compile(r"[0-9a-fA-F]{64}\Z")


def announced(request: web.Request) -> str | None:
    """Return the SHA-256 that the content shall have, in hexadecimal. Raises `Invalid`."""
    found = request.headers.get("X-Content-SHA256")
    if found is not None and not _SHA256.match(found):
        raise Invalid("X-Content-SHA256", "a SHA-256 has 64 hexadecimal digits")
    return found


async def blocks(request: web.Request) -> AsyncIterator[bytes]:
    """Give what the socket has, when it has it. Raises `UploadIncomplete` when the body ends early."""
    try:
        while True:
            async with asyncio.timeout(SILENCE_SECONDS_MAX):
                block = await request.content.readany()
            if not block:
                return
            yield block
    except (web.RequestPayloadError, ConnectionError) as error:
        raise errors.UploadIncomplete from error
    except TimeoutError:
        raise errors.UploadIncomplete("nothing came for too long") from None
