"""An answer that goes on, over a real socket: a client that does not read is cut and told; one that has gone is noticed; silence has an end."""

import asyncio
import contextlib
import socket

from quarterdeck.infra import event_stream, http_server
from quarterdeck.wire import streams

EVENT = streams.event("session", b'"' + b"x" * 10_000 + b'"', 1)


@contextlib.asynccontextmanager
async def served(work):
    """Serve a stream of what `work` sends; give an address and an event that tells when the handler has ended."""
    ended = asyncio.Event()

    async def handler(request):
        try:
            async with event_stream.open_(request) as stream:
                await work(stream)
            return stream.response
        finally:
            ended.set()

    app = http_server.application([http_server.route("GET", "/events", handler)])
    listener = http_server.listen("127.0.0.1:0")
    async with http_server.serve(app, listener, drain_seconds=0.1), asyncio.timeout(20):
        yield listener.getsockname(), ended


async def flood(stream):
    while True:
        await stream.send(EVENT)


@contextlib.asynccontextmanager
async def client(address):
    """Ask for the stream through a socket that holds little."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(narrow, address)
    reader, writer = await asyncio.open_connection(sock=narrow, limit=4096)
    writer.write(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
    yield reader, writer
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_client_that_is_slow_reads_that_it_was_cut(monkeypatch):
    """Bounded, and said so: stop to read until the sender has given up, then read on: the last event is `cut`."""
    monkeypatch.setattr(event_stream, "WRITE_SECONDS_MAX", 0.05)
    gave_up = asyncio.Event()

    async def work(stream):
        try:
            await flood(stream)
        except event_stream.TooSlow:
            gave_up.set()
            raise

    async with served(work) as (address, ended), client(address) as (reader, _):
        await gave_up.wait()
        last = b""
        while data := await reader.read(64 * 1024):
            last = (last + data)[-2000:]
        assert b'event: cut\ndata: {"code":"too-slow"' in last
        await ended.wait()


async def test_client_that_never_reads_is_dropped(monkeypatch):
    """Nothing is held for somebody who does not read: the handler and the connection end."""
    monkeypatch.setattr(event_stream, "WRITE_SECONDS_MAX", 0.05)
    monkeypatch.setattr(event_stream, "LINGER_SECONDS_MAX", 0.05)
    async with served(flood) as (address, ended), client(address):
        await ended.wait()


async def test_client_that_has_gone_ends_the_stream():
    """A sender notices that nobody is there. Hang up in the middle of a flood."""
    async with served(flood) as (address, ended), client(address) as (reader, writer):
        await reader.read(100)
        writer.transport.abort()
        await ended.wait()
