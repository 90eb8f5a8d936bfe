"""Kept connections for small requests and answers, on asyncio: the HTTP client between components and of the SDK.

Answers are held whole, up to a limit; files go another way. The caller owns the deadline; a cancelled exchange ends its connection.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple, cast
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from quarterdeck.base import http1

CONNECTIONS_MAX = 256
ORIGIN_CONNECTIONS_MAX = 100
CONNECT_SECONDS_MAX = 5.0
IDLE_SECONDS_MAX = 30.0
ANSWER_BYTES_MAX = 32 * 1024 * 1024

_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})


class NotConnected(ConnectionError):
    """No connection could be made, or none was free in time: the request was not sent."""


class Response(NamedTuple):
    """A whole answer; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Limits(NamedTuple):
    """Bounds of a pool: connections in use, altogether and to one server, and the seconds that a request waits for one (None: any)."""

    connections: int = CONNECTIONS_MAX
    origin_connections: int = ORIGIN_CONNECTIONS_MAX
    wait_seconds: float | None = None


class Pool:
    """Connections to any number of servers."""

    def __init__(self, answer_bytes_max: int, limits: Limits) -> None:
        self._answer_bytes_max = answer_bytes_max
        self._limits = limits
        self._idle: dict[str, list[_Connection]] = {}
        self._slots = asyncio.Semaphore(limits.connections)
        self._origin_slots: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._context: ssl.SSLContext | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, *, answer_bytes_max: int = ANSWER_BYTES_MAX, limits: Limits | None = None
    ) -> AsyncIterator["Pool"]:
        """Own connections for the time of a block."""
        pool = cls(answer_bytes_max, limits or Limits())
        try:
            yield pool
        finally:
            await pool._close()

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Response:
        """Send a request and return the answer. The URL must be quoted and have a path; the headers must have Host.

        Raises `NotConnected` if the request was not sent, `http1.Broken` or another OSError if that is not known. A request that may be
        repeated is repeated once if a kept connection turns out to be closed.
        """
        origin, target = split(url)
        data = http1.request_head(method, target, headers, len(body)) + body
        slots = (self._slots_of(origin), self._slots)
        await self._acquire(slots, origin)
        try:
            try:
                return await self._send(self._take(origin), origin, method, data)
            except _Stale:
                if method not in _IDEMPOTENT:
                    raise
            return await self._send(None, origin, method, data)
        finally:
            for each in slots:
                each.release()

    def _slots_of(self, origin: str) -> asyncio.Semaphore:
        """Return the bound of a server; it is there as long as somebody holds it."""
        known = self._origin_slots.get(origin)
        if known is None:
            known = self._origin_slots[origin] = asyncio.Semaphore(self._limits.origin_connections)
        return known

    async def _acquire(self, slots: tuple[asyncio.Semaphore, ...], origin: str) -> None:
        """Take one of each. Raises `NotConnected`, with none taken."""
        if not any(map(asyncio.Semaphore.locked, slots)):
            for each in slots:
                await each.acquire()  # at once
            return
        try:
            async with asyncio.timeout(self._limits.wait_seconds):
                await _acquire_all(slots)
        except TimeoutError as error:
            waited = f"{self._limits.wait_seconds:g} s"
            raise NotConnected(f"no connection to {origin} was free in {waited}") from error

    async def _send(
        self, kept: "_Connection | None", origin: str, method: str, data: bytes
    ) -> Response:
        connection = kept or await self._connect(origin)
        response = await connection.exchange(method, data, self._answer_bytes_max)
        if connection.reusable:
            self._idle.setdefault(origin, []).append(connection)
        else:
            connection.close()
        return response

    def _take(self, origin: str) -> "_Connection | None":
        """Return the connection that was used last, if it is still good; close those that were not used for long."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.fresh:
                return connection
            connection.close()
        return None

    async def _connect(self, origin: str) -> "_Connection":
        parts = urlsplit(origin)
        tls = parts.scheme == "https"
        if tls and self._context is None:
            self._context = ssl.create_default_context()
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                _, connection = await asyncio.get_running_loop().create_connection(
                    _Connection,
                    parts.hostname or "",
                    parts.port or (443 if tls else 80),
                    ssl=self._context if tls else None,
                )
        except TimeoutError as error:
            raise NotConnected(
                f"no connection to {origin} in {CONNECT_SECONDS_MAX:g} s"
            ) from error
        except OSError as error:
            raise NotConnected(f"no connection to {origin}: {error.strerror or error}") from error
        return connection

    async def _close(self) -> None:
        connections = [each for idle in self._idle.values() for each in idle]
        self._idle.clear()
        for connection in connections:
            connection.close()
        for connection in connections:
            await connection.lost.wait()


def split(url: str) -> tuple[str, str]:
    """Return the origin of a URL that has a path, and what is asked for there. It is a fraction of what `urlsplit` takes."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme}://{host}", f"/{path}"


class _Stale(http1.Broken):
    """A kept connection was closed by the other side before anything came back."""


async def _acquire_all(slots: tuple[asyncio.Semaphore, ...]) -> None:
    """Take one of each, or none."""
    with contextlib.ExitStack() as undo:
        for each in slots:
            await each.acquire()
            undo.callback(each.release)
        undo.pop_all()


class _Connection(asyncio.Protocol):
    """One connection, used for one exchange after the other."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._answer: http1.Answer | None = None
        self._body: list[bytes] = []
        self._bytes_left = 0
        self._waiter: asyncio.Future[Response] | None = None
        self._used = 0
        self._idle_since = 0.0

    @property
    def reusable(self) -> bool:
        """Whether the last exchange left the connection in order."""
        return self._answer is not None and self._answer.reusable and not self.lost.is_set()

    @property
    def fresh(self) -> bool:
        """Whether the connection is in order and was used a short time ago."""
        return self.reusable and self._loop.time() - self._idle_since < IDLE_SECONDS_MAX

    async def exchange(self, method: str, data: bytes, answer_bytes_max: int) -> Response:
        """Send a request and wait for the answer."""
        if self._transport is None:
            raise NotConnected("the connection is not made")
        self._answer = http1.Answer(method)
        self._body, self._bytes_left = [], answer_bytes_max
        self._waiter = self._loop.create_future()
        self._transport.write(data)
        try:
            return await self._waiter
        except BaseException:
            self.close()
            raise
        finally:
            self._waiter = None
            self._used += 1
            self._idle_since = self._loop.time()

    def close(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio gives the transport (TCP_NODELAY is set by it)."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """asyncio gives what has arrived."""
        if self._answer is None or self._waiter is None or self._waiter.done():
            self.close()
            return
        try:
            self._answer.feed(data)
            self._gather(self._answer)
        except http1.Broken as error:
            self._waiter.set_exception(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio tells that the connection has ended."""
        self.lost.set()
        if self._answer is None or self._waiter is None or self._waiter.done():
            return
        try:
            self._answer.feed_end()
            self._gather(self._answer)
        except http1.Broken as error:
            stale = self._used > 0 and not self._answer.begun
            broken = _Stale("a kept connection was closed") if stale else error
            broken.__cause__ = exc
            self._waiter.set_exception(broken)

    def _gather(self, answer: http1.Answer) -> None:
        data = answer.take()
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise http1.Broken("the answer is too large")
        self._body.append(data)
        if answer.complete and self._waiter is not None:
            response = Response(answer.status, answer.headers, b"".join(self._body))
            self._waiter.set_result(response)
