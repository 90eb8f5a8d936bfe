"""The asyncio transport, for the SDK: small requests over `base.http_pool`, files by aiohttp. The caller owns the deadlines."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import aiohttp
import yarl

from quarterdeck.base import http_pool
from quarterdeck.base.clock import Clock
from quarterdeck.client import files, request
from quarterdeck.client.errors import Unreachable
from quarterdeck.client.request import Credentials, Grant, Prepared, Procedure, Request
from quarterdeck.wire import decode

TRANSFERS_MAX = 16
CONNECT_SECONDS_MAX = 10.0

T = TypeVar("T")


class Transport:
    """Sends requests."""

    def __init__(
        self,
        pool: http_pool.Pool,
        session: aiohttp.ClientSession,
        credentials: Credentials,
        clock: Clock,
    ) -> None:
        self._pool = pool
        self._session = session
        self._credentials = credentials
        self._clock = clock

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, credentials: Credentials, clock: Clock) -> AsyncIterator["Transport"]:
        """Own connections for the time of a block."""
        async with (
            http_pool.Pool.open() as pool,
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=TRANSFERS_MAX),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS_MAX),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept", "Content-Type"),
                auto_decompress=False,
            ) as session,
        ):
            yield cls(pool, session, credentials, clock)

    async def call(self, wanted: Request, type_: type[T]) -> T:
        """Send a request to the manager and read the answer as a type. Raises `ClientError`s, `Invalid`."""
        return decode.decode(type_, await self.raw(wanted))

    async def raw(self, wanted: Request) -> bytes:
        """Send a request to the manager and return the body of the answer. Raises `ClientError`s."""
        return await self.send(self._credentials.prepare(wanted, self._clock.now()))

    async def run(self, procedure: Procedure[T]) -> T:
        """Run a procedure to its end."""
        try:
            wanted = next(procedure)
            while True:
                wanted = procedure.send(request.loads(await self.raw(wanted)))
        except StopIteration as done:
            result: T = done.value
            return result

    async def send(self, prepared: Prepared) -> bytes:
        """Send a request and return the body of the answer. Raises `ClientError`s."""
        try:
            response = await self._pool.exchange(
                prepared.method, prepared.url + prepared.target, prepared.headers, prepared.body
            )
        except http_pool.NotConnected as error:
            raise Unreachable(f"cannot reach {prepared.url}: {error}") from error
        except OSError as error:
            raise request.broken(prepared.method, f"{prepared.url}: {error}") from error
        return request.outcome(prepared.method, response.status, response.body)

    async def upload(self, grant: Grant, copy: files.Copy) -> dict[str, Any]:
        """Copy a local file into a folder, compare checksums, and return its entry. Raises `ClientError`s."""
        with contextlib.closing(files.Source(copy.local)) as source:
            prepared = files.put(grant, copy.remote, source.size)
            async with self._stream(prepared, _content(source)) as response:
                answer = request.outcome("PUT", response.status, await response.read())
        written = request.loads(answer)
        files.check(copy.remote, source.sha256, written["sha256"])
        entry: dict[str, Any] = written["entry"]
        return entry

    async def download(self, grant: Grant, copy: files.Copy) -> int:
        """Copy a file of a folder to a local path, which appears when it is whole; return its size. Raises `ClientError`s."""
        async with self._stream(files.get(grant, copy.remote)) as response:
            if response.status >= 400:
                request.outcome("GET", response.status, await response.read())
            sink = files.Sink(copy.local)
            try:
                async for block in response.content.iter_chunked(files.BLOCK_BYTES):
                    await asyncio.to_thread(sink.write, block)
                sink.finish()
            finally:
                sink.discard()
            return sink.size

    @contextlib.asynccontextmanager
    async def _stream(
        self, prepared: Prepared, body: AsyncIterator[bytes] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        url = yarl.URL(prepared.url + prepared.target, encoded=True)
        try:
            async with self._session.request(
                prepared.method, url, data=body, headers=prepared.headers, allow_redirects=False
            ) as response:
                yield response
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unreachable(f"cannot reach {prepared.url}: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise request.broken(prepared.method, f"{prepared.url}: {error!r}") from error


async def _content(source: files.Source) -> AsyncIterator[bytes]:
    while block := await asyncio.to_thread(source.read):
        yield block
