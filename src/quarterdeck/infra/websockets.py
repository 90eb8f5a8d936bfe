"""WebSockets from both sides. Their handshakes are requests like others: signed, and refused with a problem.

async with websockets.accepted(request) as ours, clients.connect(url, auth=auth) as theirs:
    await websockets.relay(ours, theirs)
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import unquote, urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from quarterdeck.base import log, tasks
from quarterdeck.infra import http_client, http_server
from quarterdeck.infra.errors import HandshakeRefused, NoHandshake, Unreachable
from quarterdeck.wire import signing

MESSAGE_BYTES_MAX = 2**20
HEARTBEAT_SECONDS = 20.0
"""A side that does not answer a ping within half of this is gone."""
CONNECT_SECONDS_MAX = 5.0
HANDSHAKE_SECONDS_MAX = 10.0
"""From the first byte of a connection to the answer; who takes longer is not there."""
CLOSE_SECONDS_MAX = 20.0
"""Who has not taken by then what was sent before a close is cut off."""
GOING_AWAY = 1001

Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


def demand(request: web.Request) -> None:
    """Raise `NoHandshake` for a request that is none: before anything is done for it."""
    if not web.WebSocketResponse().can_prepare(request).ok:
        raise NoHandshake


@contextlib.asynccontextmanager
async def accepted(
    request: web.Request, *, heartbeat_seconds: float | None = HEARTBEAT_SECONDS
) -> AsyncIterator[web.WebSocketResponse]:
    """Take the handshake; the socket is closed after the block, and when the server begins to stop. Raises `NoHandshake`.

    Without a heartbeat a side may take nothing for as long as it likes, until the socket is closed.
    """
    socket = _Accepted(max_msg_size=MESSAGE_BYTES_MAX, heartbeat=heartbeat_seconds, compress=False)
    if not socket.can_prepare(request).ok:
        raise NoHandshake
    await socket.prepare(request)
    async with tasks.background() as background:
        background.start(_close_when_draining(request, socket))
        try:
            yield socket
        finally:
            await socket.close()
            if socket.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE:
                socket.cut_soon()


class _Accepted(web.WebSocketResponse):
    """A socket that ends in time, whatever the other side does. What that has not taken would keep the connection open for as long as it likes."""

    async def close(
        self, *, code: int = aiohttp.WSCloseCode.OK, message: bytes = b"", drain: bool = True
    ) -> bool:
        """Close it when the other side has taken all that was sent; cut it off when that takes too long."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS_MAX):
                return await super().close(code=code, message=message, drain=drain)
        except TimeoutError:
            self._cut()
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            self.cut_soon()  # a send was given up: aiohttp does not wait for the other side after that
        return True

    def cut_soon(self) -> None:
        """Let go of the connection, when there was time for what is left to be sent."""
        asyncio.get_running_loop().call_later(CLOSE_SECONDS_MAX, self._cut)

    def _cut(self) -> None:
        if self._req is not None and self._req.transport is not None:
            self._req.transport.abort()


class Clients:
    """Connects to other components."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> AsyncIterator["Clients"]:
        """Own the connections for the time of a block."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS_MAX)
        async with aiohttp.ClientSession(
            timeout=timeout, connector=aiohttp.TCPConnector(limit=0), auto_decompress=False
        ) as session:
            yield cls(session)

    @contextlib.asynccontextmanager
    async def connect(
        self,
        url: str,
        *,
        auth: http_client.Auth,
        message_bytes_max: int = MESSAGE_BYTES_MAX,
        heartbeat_seconds: float | None = HEARTBEAT_SECONDS,
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Be connected for the time of a block. Raises `HandshakeRefused`, `Unreachable`."""
        parts = urlsplit(url)
        audience, _, host = parts.netloc.rpartition("@")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        message = signing.Message("GET", target, host, audience=unquote(audience))
        headers = dict(auth.headers(message))
        if audience:
            headers[signing.AUDIENCE_HEADER] = unquote(audience)
        if (trace := log.trace()) is not None:
            headers["X-Request-Id"] = trace
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS_MAX):
                socket = await self._session.ws_connect(
                    URL(parts._replace(netloc=host).geturl(), encoded=True),
                    headers=headers,
                    max_msg_size=message_bytes_max,
                    heartbeat=heartbeat_seconds,
                )
        except aiohttp.WSServerHandshakeError as error:
            raise HandshakeRefused(error.status) from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{url}: {error}") from error
        try:
            yield socket
        finally:
            await socket.close()


async def relay(one: Socket, other: Socket) -> None:
    """Pass messages on, both ways, until one side closes; then close the other with the same code."""
    async with tasks.background() as background:
        background.start(_pass_on(one, other))
        await _pass_on(other, one)


def _is_cancelled() -> bool:
    """Whether it is this task that is cancelled, not something that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _pass_on(source: Socket, target: Socket) -> None:
    code = GOING_AWAY
    with contextlib.suppress(ConnectionError, aiohttp.ClientError):
        message = await source.receive()
        while message.type in {aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT}:
            if message.type is aiohttp.WSMsgType.BINARY:
                await target.send_bytes(message.data)
            else:
                await target.send_str(message.data)
            message = await source.receive()
        code = _code_of_end(message, source)
    with contextlib.suppress(ConnectionError, aiohttp.ClientError):
        await target.close(code=code)


def _code_of_end(last: aiohttp.WSMessage, source: Socket) -> int:
    """Return the code to close with after a last message.

    The message knows the other side's code; `close_code` is 1006 when that side was gone before its last message was read.
    """
    code = last.data if last.type is aiohttp.WSMsgType.CLOSE else source.close_code
    return GOING_AWAY if code in {None, 0, 1005, 1006} else int(code)


async def _close_when_draining(request: web.Request, socket: web.WebSocketResponse) -> None:
    await http_server.draining(request).wait()
    await socket.close(code=GOING_AWAY)
