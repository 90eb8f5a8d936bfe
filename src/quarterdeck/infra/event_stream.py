"""An answer that goes on: server-sent events to one client, who gets no further ahead of what it reads than a socket buffer.

    async with event_stream.open_(request) as stream:
        await stream.send(streams.event("session", data, 42))
    return stream.response

Nothing is queued here. A client that does not read is waited for, not longer than `WRITE_SECONDS_MAX`, and then cut with a last event.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from quarterdeck.wire import streams

WRITE_SECONDS_MAX = 20.0
LINGER_SECONDS_MAX = 5.0
RETRY_MILLISECONDS = 500

_CUT = b'{"code":"too-slow","detail":"The client did not read; come back with the last id"}'


class TooSlow(Exception):
    """The client does not read."""


class EventStream:
    """Events to one client."""

    def __init__(self, request: web.Request, response: web.StreamResponse) -> None:
        self._request = request
        self.response = response

    async def send(self, data: bytes) -> None:
        """Send events. Raises `TooSlow` if the client does not read, ConnectionError if it has gone."""
        try:
            async with asyncio.timeout(WRITE_SECONDS_MAX):
                await self.response.write(data)
        except TimeoutError as error:
            raise TooSlow from error

    async def cut(self) -> None:
        """Say that this is the end for a client that is too slow; drop what it does not take soon."""
        try:
            async with asyncio.timeout(LINGER_SECONDS_MAX):
                await self.response.write(streams.event(streams.CUT, _CUT))
                await self.response.write_eof()
        except TimeoutError:
            if self._request.transport is not None:
                self._request.transport.abort()


@contextlib.asynccontextmanager
async def open_(request: web.Request) -> AsyncIterator[EventStream]:
    """Begin the answer for the time of a block. A client that is too slow is cut, which is no error. Raises ConnectionError if it has gone."""
    response = web.StreamResponse(
        headers={
            "Content-Type": streams.CONTENT_TYPE,
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
    )
    response.force_close()
    stream = EventStream(request, response)
    await response.prepare(request)
    await stream.send(b"retry: %d\n\n" % RETRY_MILLISECONDS)
    try:
        yield stream
    except TooSlow:
        await stream.cut()
