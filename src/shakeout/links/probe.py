"""A connection that a test makes through a link to see what the link does, without asking the target anything."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Self

from shakeout.links.endpoint import Endpoint, Tcp
from shakeout.links.server import name_of

CONNECT_SECONDS_MAX = 5.0
READ_BYTES_MAX = 65536


class Probe:
    """Sends, and gets back what it sent."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None = None
    ) -> None:
        """Without a writer the connection is gone already, and reading says why."""
        self._reader = reader
        self._writer = writer
        self._early = bytearray()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, front: Endpoint, pose: Callable[[str], Awaitable[None]]
    ) -> AsyncIterator[Self]:
        """Connect from an address that `pose` has announced to the proxy. Raises TimeoutError.

        A connection that is refused is no error of the probe, but what it sees.
        """
        family = socket.AF_INET if isinstance(front, Tcp) else socket.AF_UNIX
        with socket.socket(family, socket.SOCK_STREAM) as end:
            end.settimeout(0)
            end.bind((front.host, 0) if isinstance(front, Tcp) else "")
            await pose(name_of(end.getsockname()))
            try:
                async with asyncio.timeout(CONNECT_SECONDS_MAX):
                    reader, writer = await _connect(end, front)
            except ConnectionError as refusal:
                reader, writer = asyncio.StreamReader(), None
                reader.set_exception(refusal)
            try:
                yield cls(reader, writer)
            finally:
                if writer is not None:
                    writer.transport.abort()

    async def send(self, data: bytes) -> None:
        """Send, and wait until the system has taken it. Raises OSError when the connection is gone."""
        await self._write(data).drain()

    async def receive(self, count: int) -> bytes:
        """Exactly so many bytes. Raises OSError, asyncio.IncompleteReadError when the connection is gone."""
        while len(self._early) < count:
            if not await self._read():
                raise asyncio.IncompleteReadError(bytes(self._early), count)
        data = bytes(self._early[:count])
        del self._early[:count]
        return data

    async def exchange(self, data: bytes) -> None:
        """Send, and wait until all has come back. Raises as `receive`."""
        self._write(data)
        await self.receive(len(data))

    @property
    def heard(self) -> int:
        """Bytes that have come back, as far as they have been read by `gone`, and not been received."""
        return len(self._early)

    async def gone(self, within: float) -> bool:
        """Whether the connection is ended or reset by the other side in the next seconds; what comes is kept."""
        try:
            async with asyncio.timeout(within):
                while await self._read():
                    pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True

    def _write(self, data: bytes) -> asyncio.StreamWriter:
        if self._writer is None:
            raise self._reader.exception() or ConnectionResetError
        self._writer.write(data)
        return self._writer

    async def _read(self) -> int:
        data = await self._reader.read(READ_BYTES_MAX)
        self._early += data
        return len(data)


async def _connect(
    end: socket.socket, front: Endpoint
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter | None]:
    loop = asyncio.get_running_loop()
    if isinstance(front, Tcp):
        await loop.sock_connect(end, (front.host, front.port))
        return await asyncio.open_connection(sock=end)
    await loop.sock_connect(end, front.path)
    return await asyncio.open_unix_connection(sock=end)
