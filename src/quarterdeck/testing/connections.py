"""Connections to an HTTP server, on which a test writes the bytes that it means and reads what comes."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web

from quarterdeck.infra import http_server

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Connection]]


@contextlib.asynccontextmanager
async def served(app: web.Application, **more: Any) -> AsyncIterator[Connect]:
    """Serve an application; give a function that connects. `more` is for `http_server.serve`."""
    listener = http_server.listen("127.0.0.1:0")
    with contextlib.ExitStack() as stack:

        async def connect() -> Connection:
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            stack.callback(writer.close)
            return reader, writer

        async with http_server.serve(app, listener, **more):
            async with asyncio.timeout(20):
                yield connect


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read one answer, head and body, what differs from one to the next left out."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    body = await reader.readexactly(int(length[1])) if length else b""
    told = re.sub(rb"(Date|X-Request-Id): .*?\r\n", rb"\1\r\n", head)
    return told, re.sub(rb'"trace":"[0-9a-f]{32}"', b"trace", body)


async def asked(connect: Connect, data: bytes) -> tuple[bytes, bytes]:
    """Send something on a connection of its own, and read one answer."""
    reader, writer = await connect()
    writer.write(data)
    return await answer(reader)


async def passing() -> None:
    """Let the loop, which is the server's, too, take some turns."""
    for _ in range(50):
        await asyncio.to_thread(str)
