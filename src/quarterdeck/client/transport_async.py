"""The asyncio transport, for the SDK: small requests over `base.http_pool`, files by aiohttp. The caller owns the deadlines."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

import aiohttp
import yarl

from quarterdeck.base import http_pool, tasks
from quarterdeck.base.clock import Clock
from quarterdeck.client import events, fetching, files, parts, request, sending, typed
from quarterdeck.client.errors import ClientError, Refused, Unreachable
from quarterdeck.client.local_files import Sink, Source, nobody
from quarterdeck.client.request import Credentials, Grant, Prepared, Procedure, Request
from quarterdeck.client.sockets import Socket

TRANSFERS_MAX = 16
STREAMS_MAX = 100
CONNECT_SECONDS_MAX = 10.0
MESSAGE_BYTES_MAX = 2**24
HEARTBEAT_SECONDS = 20.0
"""A manager that does not answer a ping within half of this is gone."""

T = TypeVar("T")
_Judge = Callable[[aiohttp.ClientResponse], Awaitable[None]]


class _Sessions(NamedTuple):
    """Connections for files and connections for streams of events: neither waits for the other."""

    transfers: aiohttp.ClientSession
    streams: aiohttp.ClientSession


class Transport:
    """Sends requests."""

    def __init__(
        self,
        pool: http_pool.Pool,
        sessions: "_Sessions",
        credentials: Credentials,
        clock: Clock,
    ) -> None:
        self._pool = pool
        self._session, self._streams = sessions
        self._credentials = credentials
        self.clock = clock

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, credentials: Credentials, clock: Clock) -> AsyncIterator["Transport"]:
        """Own connections for the time of a block."""
        async with (
            http_pool.Pool.open() as pool,
            _session(TRANSFERS_MAX) as transfers,
            _session(STREAMS_MAX, _require_no_refusal) as streams,
        ):
            yield cls(pool, _Sessions(transfers, streams), credentials, clock)

    async def call(self, wanted: Request, type_: type[T]) -> T:
        """Send a request to the manager and read the answer as a type. Raises `ClientError`s."""
        return typed.read(wanted.method, type_, await self.raw(wanted))

    async def raw(self, wanted: Request) -> bytes:
        """Send a request to the manager and return the body of the answer. Raises `ClientError`s."""
        return await self.send(self._credentials.prepare(wanted, self.clock.now()))

    async def run(self, procedure: Procedure[T]) -> T:
        """Run a procedure to its end."""
        try:
            wanted = next(procedure)
            while True:
                wanted = procedure.send(request.answer(wanted.method, await self.raw(wanted)))
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

    async def follow(self, following: events.Following) -> AsyncGenerator[dict[str, Any], None]:
        """Give the rows of a stream of events as they come, over broken connections, until it ends. Raises `ClientError`s.

        Who leaves it before its end closes it (`contextlib.aclosing`).
        """
        while not following.ended:
            async with contextlib.aclosing(self._events(following)) as rows:
                async for row in rows:
                    yield row
            if not following.ended:
                await tasks.pause(following.come_back(self.clock.monotonic()))

    @contextlib.asynccontextmanager
    async def socket(self, wanted: Request) -> AsyncIterator[Socket]:
        """Be connected to a WebSocket of the manager for the time of a block. Raises `Refused`, `Unreachable`."""
        prepared = self._credentials.prepare(wanted, self.clock.now())
        url = yarl.URL(prepared.url + prepared.target, encoded=True)
        try:
            socket = await self._streams.ws_connect(
                url,
                headers=prepared.headers,
                max_msg_size=MESSAGE_BYTES_MAX,
                heartbeat=HEARTBEAT_SECONDS,
            )
        except aiohttp.WSServerHandshakeError as error:
            raise Unreachable(f"{prepared.url} is no WebSocket: {error.message}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"cannot reach {prepared.url}: {error}") from error
        try:
            yield Socket(socket)
        finally:
            await socket.close()

    async def upload(
        self, grant: Grant, copy: files.Copy, report: files.Report = nobody
    ) -> dict[str, Any]:
        """Copy a local file into a folder, compare checksums, and return its entry; a large one in pieces. Raises `ClientError`s."""
        with contextlib.closing(Source(copy.local, report)) as source:
            if source.size > sending.PIECE_BYTES:
                sent = sending.upload(grant, copy.remote, source, self.clock)
                try:
                    return dict(await self._transfer(sent))
                except Refused as refused:
                    sending.require_unsupported(refused)
                    source.stand_at(0)
            prepared = files.put(grant, copy.remote, source.size, files.crc32(copy.local))
            async with self._stream(prepared, _content(source)) as response:
                answer = request.outcome("PUT", response.status, await response.read())
        written = request.answer("PUT", answer)
        files.check(copy.remote, source.crc32, written["crc32"])
        report(source.size)
        return dict(written["entry"])

    async def upload_parts(self, grant: Grant, copy: files.Copy, count: int) -> dict[str, Any]:
        """Copy a local file into a folder in parts that go at the same time, compare checksums, and return its entry. Raises `ClientError`s."""
        with files.usable(copy.local):
            stretches = parts.split(copy.local.stat().st_size, count)
        if len(stretches) < 2:
            return await self.upload(grant, copy)
        try:
            async with asyncio.TaskGroup() as group:
                sent = [
                    group.create_task(
                        self._transfer(parts.send(grant, copy.local, stretch, self.clock))
                    )
                    for stretch in stretches
                ]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        addresses = [task.result() for task in sent]
        return dict(await self._transfer(parts.join(grant, copy, addresses)))

    async def download(self, grant: Grant, copy: files.Copy, report: files.Report = nobody) -> int:
        """Copy a file of a folder to a local path, which appears when it is whole; return its size. Raises `ClientError`s."""
        if copy.size > sending.PIECE_BYTES:
            return await self._transfer(fetching.download(grant, copy, self.clock, report))
        sink = Sink(copy.local, report=report)
        try:
            await self._step(sending.Step(files.get(grant, copy.remote), sink=sink))
            sink.finish()
        finally:
            sink.forget()
        return sink.size

    async def check(self, grant: Grant, copy: files.Copy) -> None:
        """Compare a local file with the one in a folder. Raises `ContentDiffers` and other `ClientError`s."""
        await self._transfer(fetching.check(grant, copy))

    async def _transfer(self, transfer: sending.Transfer[T]) -> T:
        """Drive a transfer. Its own work, on local files, is done in threads."""
        with contextlib.closing(transfer):
            step = await tasks.in_thread(sending.advance, transfer, None)
            while isinstance(step, sending.Step):
                step = await tasks.in_thread(sending.advance, transfer, await self._outcome(step))
        return step.result

    async def _outcome(self, step: sending.Step) -> sending.Reply | ClientError:
        try:
            return await self._step(step)
        except ClientError as error:
            return error

    async def _step(self, step: sending.Step) -> sending.Reply:
        if step.pause:
            await tasks.pause(step.pause)
        whole = step.prepared.body
        length = {"Content-Length": str(len(whole))} if whole else {}
        prepared = step.prepared._replace(headers={**step.prepared.headers, **length})
        async with self._stream(prepared, _slices(whole) if whole else None) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            if step.sink is None or response.status >= 400:
                return sending.reply(step, response.status, headers, await response.read())
            async for block in response.content.iter_chunked(files.BLOCK_BYTES):
                await tasks.in_thread(step.sink.write, block)
            return sending.Reply(headers, b"")

    async def _events(self, following: events.Following) -> AsyncGenerator[dict[str, Any], None]:
        prepared = self._credentials.prepare(following.request(), self.clock.now())
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(following.stream())
            response = await stack.enter_async_context(
                self._stream(prepared, silence=events.SILENCE_SECONDS_MAX)
            )
            if response.status == 204:
                following.nothing_left()
            elif response.status >= 400:
                request.outcome("GET", response.status, await response.read())
            else:
                events.require_stream(response.headers.get("Content-Type"))
            async for block in response.content.iter_any():
                for row in following.take(block):
                    yield row

    @contextlib.asynccontextmanager
    async def _stream(
        self,
        prepared: Prepared,
        body: AsyncIterator[bytes] | None = None,
        *,
        silence: float | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request of which the body or the answer is long; more than `silence` seconds without a byte are too long."""
        session = self._session if silence is None else self._streams
        url = yarl.URL(prepared.url + prepared.target, encoded=True)
        try:
            async with session.request(
                prepared.method,
                url,
                data=body,
                headers=prepared.headers,
                allow_redirects=False,
                raise_for_status=False,
                timeout=_timeout(silence),
            ) as response:
                yield response
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unreachable(f"cannot reach {prepared.url}: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise request.broken(prepared.method, f"{prepared.url}: {error!r}") from error


def _session(connections: int, judge: _Judge | None = None) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        raise_for_status=judge or False,
        connector=aiohttp.TCPConnector(limit=connections),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept", "Content-Type"),
        auto_decompress=False,
    )


async def _require_no_refusal(response: aiohttp.ClientResponse) -> None:
    """Raise what a refused handshake says, which whoever asked for a socket does not see."""
    if response.status >= 300:
        request.outcome("GET", response.status, await response.read())


def _timeout(silence: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS_MAX, sock_read=silence)


async def _content(source: Source) -> AsyncIterator[bytes]:
    while block := await asyncio.to_thread(source.read):
        yield block


async def _slices(body: bytes) -> AsyncIterator[bytes]:  # noqa: RUF029 - the session takes a stream
    """Give a large body piece by piece, so that nothing waits for all of it to be copied."""
    whole = memoryview(body)
    for at in range(0, len(body), files.BLOCK_BYTES):
        yield bytes(whole[at : at + files.BLOCK_BYTES])
