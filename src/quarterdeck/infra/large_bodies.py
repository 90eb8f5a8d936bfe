"""Bodies of large requests, taken from the connection's transport straight into memory that is used again.

On aiohttp's own way a body is copied three times before a handler sees it. Here the transport fills two buffers in turn while the handler
works on the other; after the last byte the connection is aiohttp's again, and goes on with the next request.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator

from aiohttp import web

from quarterdeck.infra import http_problems

LARGE_BYTES = 1024 * 1024
"""From here on a body is worth the trouble."""

_BUFFER_BYTES = 4 * 1024 * 1024
_BUFFERS = 2
_GATHER_SECONDS = 0.05
_SPARE_MAX = _BUFFERS

_spare: deque[memoryview] = deque(maxlen=_SPARE_MAX)
"""Buffers of bodies that were read to their end: nobody else has anything in them. Fresh memory costs as much as what is then done with it."""


@contextlib.asynccontextmanager
async def taken(
    request: web.Request, silence_seconds_max: float
) -> AsyncIterator[AsyncGenerator[memoryview, None]]:
    """Give the blocks of a body whose length is announced. A block is good until the next one is asked for.

    They end in `ConnectionError` when the client hangs up, in `TimeoutError` when it sends nothing for so many seconds. If the block is
    left before the body's end, the connection ends with the answer.
    """
    connection, transport = request.protocol, request.transport
    length = request.content_length
    if not isinstance(connection, http_problems.Protocol) or length is None:
        raise TypeError("not a connection of ours, or a body of unknown length")
    if transport is None:
        raise ConnectionResetError("the client has hung up")
    parsed = _parsed(request)
    intake = _Intake(connection, transport, length - sum(map(len, parsed)))
    if intake.left > 0:
        transport.set_protocol(intake)
    connection.give_up = intake.give_up
    try:
        async with contextlib.aclosing(_joined(parsed, intake, silence_seconds_max)) as blocks:
            yield blocks
    finally:
        connection.give_up = None
        if intake.left > 0:
            transport.set_protocol(connection)
            connection.break_off()
            transport.resume_reading()


async def _joined(
    parsed: list[bytes], intake: "_Intake", silence_seconds_max: float
) -> AsyncGenerator[memoryview, None]:
    for known in parsed:
        yield memoryview(known)
    async with contextlib.aclosing(intake.blocks(silence_seconds_max)) as blocks:
        async for block in blocks:
            yield block


def _parsed(request: web.Request) -> list[bytes]:
    """Return what aiohttp has read of a body already. It pauses its parser on the way, so that one look may not be enough."""
    found = []
    while block := request.content.read_nowait():
        found.append(block)
    return found


class _Intake(asyncio.BufferedProtocol):
    """Stands in for a connection's own protocol as long as there is something left of a body."""

    def __init__(
        self, connection: http_problems.Protocol, transport: asyncio.Transport, left: int
    ) -> None:
        self._connection = connection
        self._transport = transport
        self.left = left
        self._free = deque(_buffer(min(left, _BUFFER_BYTES)) for _ in range(_BUFFERS))
        self._filled = 0
        self._full: deque[memoryview] = deque()
        self._news = asyncio.Event()
        self._is_over = False

    async def blocks(self, silence_seconds_max: float) -> AsyncGenerator[memoryview, None]:
        """Give what the transport brings, a buffer at a time."""
        while self.left > 0 or self._full:
            while not self._full:
                await self._wait(silence_seconds_max)
            block = self._full.popleft()
            yield block
            self._reuse(block)
        _spare.extend(each for each in self._free if len(each) == _BUFFER_BYTES)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Tell the transport where to put what comes: never more than belongs to this body."""
        del sizehint
        buffer = self._free[0]
        return buffer[self._filled : min(len(buffer), self._filled + self.left)]

    def buffer_updated(self, nbytes: int) -> None:
        """Pass a buffer on when it is full or has the body's end. The next request is the connection's own affair."""
        if not self._filled:
            self._news.set()
        self._filled += nbytes
        self.left -= nbytes
        if self.left == 0:
            self._transport.set_protocol(self._connection)
            self._connection.expect_next()
        if self.left == 0 or self._filled == len(self._free[0]):
            self._pass_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on what has come."""
        self.give_up()
        self._connection.connection_lost(exc)

    def give_up(self) -> None:
        """Wait for nothing more; what has come is passed on."""
        self._is_over = True
        self._news.set()
        if self._filled:
            self._pass_on()

    def pause_writing(self) -> None:
        """Tell the connection."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Tell the connection."""
        self._connection.resume_writing()

    async def _wait(self, silence_seconds_max: float) -> None:
        """Wait for something to come, or, if there is something, a moment for a full buffer: then it is passed on as it is."""
        if self._is_over:
            raise ConnectionResetError("the client has hung up, or the server stops")
        self._news.clear()
        try:
            async with asyncio.timeout(_GATHER_SECONDS if self._filled else silence_seconds_max):
                await self._news.wait()
        except TimeoutError:
            if self._filled:
                self._pass_on()
            elif not self._full:
                raise

    def _pass_on(self) -> None:
        self._full.append(self._free.popleft()[: self._filled])
        self._filled = 0
        self._news.set()
        if self.left > 0 and not self._free:
            self._transport.pause_reading()

    def _reuse(self, block: memoryview) -> None:
        self._free.append(memoryview(block.obj))
        if self.left > 0:
            self._transport.resume_reading()


def _buffer(size: int) -> memoryview:
    if _spare and size == _BUFFER_BYTES:
        return _spare.pop()
    return memoryview(bytearray(size))
