"""Bytes that flow both ways, and end each way by itself: over a TCP socket, or a WebSocket that carries them elsewhere; `join` connects two.

In a WebSocket each binary message is a piece, and an empty one is the end of that direction. A close without it is a broken connection.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from typing import Protocol

import aiohttp

from quarterdeck.infra.websockets import Socket

PIECE_BYTES_MAX = 64 * 1024
_RESET = struct.pack("ii", 1, 0)


class Stream(Protocol):
    """One end of a connection. Its methods raise OSError when it is broken, which is the end of both ways."""

    async def read(self) -> bytes:
        """Return the next piece; nothing: the other side has no more to say."""
        ...

    async def write(self, piece: bytes) -> None:
        """Pass a piece on, as fast as it is taken; nothing: there is no more to say."""
        ...


class SocketStream:
    """A connected socket."""

    def __init__(self, one: socket.socket) -> None:
        self._socket = one
        self._loop = asyncio.get_running_loop()

    async def read(self) -> bytes:
        """Return the next piece."""
        return await self._loop.sock_recv(self._socket, PIECE_BYTES_MAX)

    async def write(self, piece: bytes) -> None:
        """Pass a piece on."""
        if piece:
            await self._loop.sock_sendall(self._socket, piece)
        else:
            self._socket.shutdown(socket.SHUT_WR)


class WebSocketStream:
    """An open WebSocket."""

    def __init__(self, one: Socket) -> None:
        self._socket = one

    async def read(self) -> bytes:
        """Return the next piece."""
        message = await self._socket.receive()
        if message.type is not aiohttp.WSMsgType.BINARY:
            raise ConnectionResetError("closed in the middle")
        return bytes(message.data)

    async def write(self, piece: bytes) -> None:
        """Pass a piece on."""
        try:
            await self._socket.send_bytes(piece)
        except aiohttp.ClientError as error:
            raise ConnectionResetError(str(error)) from error


async def join(one: Stream, other: Stream) -> None:
    """Pass on what comes, both ways, until both have ended. Raises OSError when one breaks."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_pass_on(one, other))
            group.create_task(_pass_on(other, one))
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None


@contextlib.asynccontextmanager
async def kept(one: socket.socket) -> AsyncIterator[SocketStream]:
    """Close a socket after the block: if that fails, whoever is at the other side is told that it is broken."""
    with one:
        try:
            yield SocketStream(one)
        except BaseException:
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            raise


async def _pass_on(source: Stream, target: Stream) -> None:
    while piece := await source.read():
        await target.write(piece)
    await target.write(b"")
