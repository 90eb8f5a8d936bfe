"""Connecting a WebSocket ends, whatever is on the other side, and how it ended is known to whoever reads it late."""

import asyncio
import contextlib
import socket
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from quarterdeck.base import tasks
from quarterdeck.base.config import Secret
from quarterdeck.client.sockets import Socket
from quarterdeck.infra import http_client, http_server, websockets
from quarterdeck.infra.errors import Unreachable
from shakeout.waiting.until import until

AUTH = http_client.Bearer(Secret("tok"))
PIECES = 24
PIECE = b"x" * 2**16
ENDED = 4000
FULL_BYTES = 2**16
"""With more waiting to be sent a connection is full."""


async def test_side_that_accepts_and_says_nothing_is_unreachable(enter, monkeypatch):
    """Nobody waits for a handshake for ever. Connect to a socket that accepts and is silent."""
    monkeypatch.setattr(websockets, "HANDSHAKE_SECONDS_MAX", 0.05)
    clients = await enter(websockets.Clients.open())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(Unreachable):
            async with clients.connect(url, auth=AUTH):
                pass


class Teller:
    """Tells all that it has, closes with a code while it listens, and is gone."""

    def __init__(self):
        self.gone = asyncio.Event()

    async def tell(self, request):
        """Serve one connection."""
        async with websockets.accepted(request) as ours, tasks.background() as background:
            background.start(self._tell(ours))
            async for _ in ours:
                pass
        self.gone.set()
        return ours

    async def _tell(self, ours):
        for _ in range(PIECES):
            await ours.send_bytes(PIECE)
        await ours.close(code=ENDED)


@contextlib.asynccontextmanager
async def serving(handler, *, send_bytes=2**22):
    """The address of a server of one handler; what it sends beyond that waits for its client."""
    app = http_server.application(
        [http_server.route("GET", "/v1/told", handler)], body_bytes_max=1
    )
    listener = http_server.listen("127.0.0.1:0")
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_bytes)
    async with http_server.serve(app, listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1/told"


async def slowly(messages):
    """Each message, with time for the connection to end behind it."""
    async for message in messages:
        yield message
        await tasks.pause(0.01)


@pytest.mark.parametrize("relayed", [False, True], ids=["direct", "relayed"])
async def test_code_of_the_end_is_known_to_who_reads_late(enter, relayed):
    """How it ended is part of what was told. Read only when the other side is gone, without and with a relay between; all comes, and the code."""
    teller = Teller()
    clients = await enter(websockets.Clients.open())
    address = origin = await enter(serving(teller.tell))

    async def relay(request):
        async with (
            clients.connect(origin, auth=AUTH) as theirs,
            websockets.accepted(request) as ours,
        ):
            await websockets.relay(ours, theirs)
        return ours

    if relayed:
        address = await enter(serving(relay, send_bytes=2**16))
    session = await enter(aiohttp.ClientSession())
    late = Socket(await enter(session.ws_connect(address)))
    async with asyncio.timeout(20):
        await teller.gone.wait()
        pieces = [piece async for piece in slowly(late.messages())]
    assert (b"".join(pieces), late.end_code) == (PIECES * PIECE, ENDED)


HANDSHAKE = (
    b"GET /v1/told HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@contextlib.asynccontextmanager
async def mute(address):
    """Connect, and take nothing."""
    host, port = urlsplit(address).netloc.split(":")
    with socket.create_connection((host, int(port))) as client:
        client.setblocking(False)
        await asyncio.get_running_loop().sock_sendall(client, HANDSHAKE)
        yield


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_side_that_takes_nothing_is_let_go_and_its_connection_too(enter, monkeypatch):
    """Whoever sleeps costs nobody a connection for ever. Have a server tell without end somebody who does not read; its handler ends, and of the two ends of the connection only the other one is left."""
    monkeypatch.setattr(websockets, "CLOSE_SECONDS_MAX", 0.1)
    ended = asyncio.Event()

    async def tell(request):
        accepted = websockets.accepted(request, heartbeat_seconds=0.2)
        async with accepted as ours, tasks.background() as background:
            background.start(without_end(request, ours))
            async for _ in ours:
                pass
        ended.set()
        return ours

    address = await enter(serving(tell, send_bytes=2**16))
    before = descriptors()
    async with mute(address), asyncio.timeout(10):
        await ended.wait()
        await until(descriptors, within=5, satisfied=lambda count: count == before + 1)


async def without_end(_, ours):
    while True:
        await ours.send_bytes(PIECE)


async def between_sends(request, ours):
    while request.transport.get_write_buffer_size() <= FULL_BYTES:
        await ours.send_bytes(b"x" * 2**10)


async def in_a_send(request, ours):
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.1):
            await without_end(request, ours)


@pytest.mark.parametrize("fill", [between_sends, in_a_send])
async def test_close_does_not_wait_for_a_side_that_takes_nothing(enter, monkeypatch, fill):
    """A heartbeat ends with the close. Tell somebody who does not read as much as goes, or more and give that up, then close; the handler ends like any, and the server's end of the connection is gone."""
    monkeypatch.setattr(websockets, "CLOSE_SECONDS_MAX", 0.1)
    ended = asyncio.Event()

    async def tell(request):
        async with websockets.accepted(request, heartbeat_seconds=None) as ours:
            await fill(request, ours)
        ended.set()
        return ours

    address = await enter(serving(tell, send_bytes=2**16))
    before = descriptors()
    async with mute(address), asyncio.timeout(10):
        await ended.wait()
        await until(descriptors, within=5, satisfied=lambda count: count == before + 1)
