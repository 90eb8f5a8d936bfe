"""Both transports of the client, asyncio and blocking, meet the same server and do the same: calls, procedures, files, failures."""

import asyncio
import contextlib
import socket
import zlib

import msgspec
import pytest
from aiohttp import web

from quarterdeck.base.clock import SystemClock
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.client import events, files, procedures, sending, transport, transport_async
from quarterdeck.client.errors import (
    ContentDiffers,
    FileUnusable,
    NotReached,
    OutcomeUnknown,
    Refused,
    Unreachable,
)
from quarterdeck.client.request import Credentials, Grant, Request
from quarterdeck.infra import http_server
from quarterdeck.infra.errors import Unavailable
from quarterdeck.wire import signing
from quarterdeck.wire.executions import Execute
from quarterdeck.wire.sessions import HistoryQuery
from shakeout.waiting.until import until

SECRET = "hush"
SECONDS_MAX = 5
SIZES = [0, 1, files.BLOCK_BYTES, 3 * files.BLOCK_BYTES + 7]


class WholeOnly(QuarterdeckError):
    """The host takes whole files only."""

    code = "uploads-unsupported"


class Platform:
    """A manager and a storage-proxy in one: echoes, a history that grows by a row a look, files in memory."""

    def __init__(self):
        self.files = {}
        self.looks = 0
        self.corrupt = False
        self.sockets = []

    def routes(self):
        return [
            http_server.route("POST", "/v1/echo", self.echo),
            http_server.route("GET", "/v1/sessions/s/history", self.history, query=HistoryQuery),
            http_server.route("GET", "/v1/unavailable", self.unavailable),
            http_server.route("GET", "/v1/page", self.page),
            http_server.route("POST", "/v1/broken", self.broken),
            http_server.route("GET", "/client/v1/uploads", self.uploads),
            http_server.route("PUT", "/client/v1/files/{path:.*}", self.put),
            http_server.route("GET", "/client/v1/files/{path:.*}", self.get),
        ]

    async def echo(self, request):
        self.sockets.append((request.transport, request.transport.get_extra_info("socket")))
        claim = signing.read_claim(
            request.headers["Authorization"], request.headers[signing.DATE_HEADER]
        )
        message = await http_server.signed_message(request)
        signing.verify(claim, message, SECRET, SystemClock().now())
        return http_server.reply(await http_server.body(request, Execute))

    async def history(self, request):
        query = http_server.query(request, HistoryQuery)
        states = ("PENDING", "SCHEDULED", "RUNNING")
        if query.after == len(states):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(query.wait):
                    await http_server.draining(request).wait()
            return http_server.reply({"items": []})
        row = {"seq": query.after + 1, "to_status": states[query.after], "cause": "c"}
        return http_server.reply({"items": [row]})

    async def unavailable(self, _):
        raise Unavailable("not now")

    async def page(self, _):
        return web.Response(text="<html>", content_type="text/html")

    async def broken(self, request):
        request.transport.abort()
        return http_server.no_content()

    async def uploads(self, _):
        raise WholeOnly

    async def put(self, request):
        assert request.headers["Authorization"] == "Bearer tok"
        content = b"".join([chunk async for chunk in request.content.iter_any()])
        self.files[request.match_info["path"]] = content
        crc = f"{zlib.crc32(content):08x}"
        assert request.headers["X-Content-CRC32"] == crc
        stored = "0" if self.corrupt else crc
        entry = {"path": request.match_info["path"], "kind": "file", "size": len(content)}
        return http_server.reply({"entry": entry, "crc32": stored})

    async def get(self, request):
        content = self.files[request.match_info["path"]]
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        for at in range(0, len(content), 100_000):
            await response.write(content[at : at + 100_000])
            if self.corrupt:
                request.transport.abort()
        return response


class Blocking:
    """The blocking transport, each call in a thread."""

    def __init__(self, credentials):
        self._transport = transport.Transport(credentials, SystemClock())

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self._transport.close()

    async def call(self, request, type_):
        return msgspec.convert(await asyncio.to_thread(self._transport.call, request), type_)

    async def reach(self, progress, status, seconds):
        def run():
            with self._transport.within(seconds, f"s is not {status}"):
                return self._transport.run(procedures.reach(progress, status))

        return await asyncio.to_thread(run)

    async def rows(self, following):
        def run():
            with self._transport.within(SECONDS_MAX, "the stream goes on"):
                return list(self._transport.follow(following))

        return await asyncio.to_thread(run)

    async def upload(self, grant, copy):
        return await asyncio.to_thread(self._transport.upload, grant, copy)

    async def download(self, grant, copy):
        return await asyncio.to_thread(self._transport.download, grant, copy)


class Async(transport_async.Transport):
    """The asyncio transport with the deadline that a handle of a session gives."""

    async def reach(self, progress, status, seconds):
        try:
            async with asyncio.timeout(seconds):
                return await self.run(procedures.reach(progress, status))
        except TimeoutError as error:
            raise NotReached(f"s is not {status} within {seconds:g} s") from error

    async def rows(self, following):
        async with (
            asyncio.timeout(SECONDS_MAX),
            contextlib.aclosing(self.follow(following)) as rows,
        ):
            return [row async for row in rows]


@pytest.fixture
def platform():
    """What is on the other side."""
    return Platform()


@pytest.fixture
def url(opened, platform):
    """Its address."""

    @contextlib.asynccontextmanager
    async def serving():
        listener = http_server.listen("127.0.0.1:0")
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with http_server.serve(http_server.application(platform.routes()), listener):
            yield address

    return opened(serving())


@pytest.fixture(params=["asyncio", "blocking"])
def client(request, opened, url):
    """A transport."""
    credentials = Credentials(url, "QDAKX", SECRET)
    if request.param == "blocking":
        return opened(Blocking(credentials))
    return opened(Async.open(credentials, SystemClock()))


@pytest.fixture
def grant(url):
    """Access to the files."""
    return Grant(url, "tok")


async def test_signed_calls_over_one_connection(client):
    for n in range(5):
        got = await client.call(Request("POST", "/v1/echo", body={"code": f"ö {n}"}), Execute)
        assert got == Execute(f"ö {n}")


async def test_connection_that_was_idle_for_too_long_is_not_used(client, platform):
    """Between two requests a long file may be sent. Close the kept connection on the other side; the next request, which may not be repeated, is carried out."""
    wanted = Request("POST", "/v1/echo", body={"code": "1"})
    await client.call(wanted, Execute)
    ((kept, its_socket),) = platform.sockets
    kept.close()
    await until(lambda: its_socket.fileno() == -1, within=5)
    assert await client.call(wanted, Execute) == Execute("1")


async def test_refusal_tells_code_and_status(client):
    with pytest.raises(Refused) as refused:
        await client.call(Request("GET", "/v1/unavailable"), dict)
    assert (refused.value.status, refused.value.code) == (503, "unavailable")
    got = await client.call(Request("POST", "/v1/echo", body={"code": ""}), Execute)
    assert got == Execute("")


async def test_refused_socket_tells_code_and_status(url):
    """A terminal or a stream that is refused says why, as a plain request does; what is no WebSocket is another server's."""
    async with Async.open(Credentials(url, "QDAKX", SECRET), SystemClock()) as sdk:
        with pytest.raises(Refused) as refused:
            async with sdk.socket(Request("GET", "/v1/unavailable")):
                pass
        with pytest.raises(Unreachable, match="is no WebSocket"):
            async with sdk.socket(Request("GET", "/v1/page")):
                pass
    told = refused.value
    assert (told.status, told.code, told.detail) == (503, "unavailable", "not now")


async def test_page_of_another_server_is_no_answer(client):
    """A wrong address may lead to a server that answers whatever it is asked. Its page is no answer, and no stream of events."""
    with pytest.raises(Unreachable, match=r"not JSON|platform's form"):
        await client.call(Request("GET", "/v1/page"), dict[str, str])
    with pytest.raises(Unreachable, match="not a stream of events"):
        await client.rows(events.Following("/v1/page"))


async def test_connection_that_breaks_leaves_it_open(client):
    with pytest.raises(OutcomeUnknown):
        await client.call(Request("POST", "/v1/broken"), dict)


@pytest.mark.parametrize("kind", [Async.open, lambda credentials, _: Blocking(credentials)])
async def test_nobody_there_is_unreachable(kind, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    (tmp_path / "x").write_bytes(b"")
    async with kind(Credentials(address, "QDAKX", SECRET), SystemClock()) as nobody:
        with pytest.raises(Unreachable):
            await nobody.call(Request("POST", "/v1/echo", body={"code": ""}), Execute)
        with pytest.raises(Unreachable):
            await nobody.upload(Grant(address, "tok"), files.Copy(tmp_path / "x", "x"))


async def test_wait_rides_on_the_history(client):
    progress = procedures.Progress("s")
    row = await client.reach(progress, "RUNNING", 5)
    assert row["seq"] == 3


async def test_wait_ends_in_time_and_tells(client):
    with pytest.raises(NotReached, match=r"s is not TERMINATED within 0\.1 s"):
        await client.reach(procedures.Progress("s"), "TERMINATED", 0.1)


@pytest.mark.parametrize("size", SIZES)
async def test_file_goes_there_and_back(client, grant, platform, tmp_path, rng, size):
    content = rng.randbytes(size)
    (tmp_path / "a").write_bytes(content)
    entry = await client.upload(grant, files.Copy(tmp_path / "a", "d/ä b#?%"))
    assert entry == {"path": "d/ä b#?%", "kind": "file", "size": size}
    assert platform.files == {"d/ä b#?%": content}
    assert await client.download(grant, files.Copy(tmp_path / "n" / "b", "d/ä b#?%")) == size
    assert (tmp_path / "n" / "b").read_bytes() == content


async def test_host_that_takes_whole_files_only_gets_a_large_one_whole(
    client, grant, platform, tmp_path, rng
):
    content = rng.randbytes(sending.PIECE_BYTES + 7)
    (tmp_path / "a").write_bytes(content)
    await client.upload(grant, files.Copy(tmp_path / "a", "a"))
    assert platform.files == {"a": content}


async def test_other_content_on_the_other_side_is_told(client, grant, platform, tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    platform.corrupt = True
    with pytest.raises(ContentDiffers):
        await client.upload(grant, files.Copy(tmp_path / "a", "a"))


async def test_download_that_breaks_off_leaves_nothing(client, grant, platform, tmp_path):
    platform.files["a"] = bytes(5_000_000)
    platform.corrupt = True
    with pytest.raises(Unreachable):
        await client.download(grant, files.Copy(tmp_path / "a", "a"))
    assert list(tmp_path.iterdir()) == []


async def test_local_file_that_cannot_be_used_is_told(client, grant, platform, tmp_path):
    platform.files["a"] = b"x"
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileUnusable):
        await client.download(grant, files.Copy(tmp_path / "file" / "below", "a"))
    with pytest.raises(FileUnusable):
        await client.upload(grant, files.Copy(tmp_path, "a"))
    assert await client.download(grant, files.Copy(tmp_path / "b", "a")) == 1
