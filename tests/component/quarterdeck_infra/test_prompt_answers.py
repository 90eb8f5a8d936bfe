"""Plain small requests are answered as they come in, every other one goes aiohttp's way; nobody can tell which by the answer, or by what follows."""

import asyncio
import logging
import re

import pytest
from aiohttp import web

from quarterdeck.infra import http_server, plain_requests
from quarterdeck.infra.prompt_answers import Content, Later
from quarterdeck.testing import connections
from quarterdeck.testing.connections import answer, asked, passing

SAID = b"what there is"
KIND = {"Content-Type": "text/plain", "X-Kind": "plain"}
HEAD = "Host: h\r\n"


class Source:
    """Answers by itself what it is asked for at `/at-once` and `/later`, and the same as a route; notes by whom it was asked."""

    headers = plain_requests.HEADERS

    def __init__(self):
        self.asked, self.routed = [], []
        self.said = SAID
        self.done = None
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()

    def answer(self, asked):
        """Answer at once, later, or not at all."""
        self.asked.append((asked.method, asked.target, asked.body))
        if asked.target == "/error":
            raise ValueError(asked.target)
        if asked.target == "/at-once":
            return Content(KIND, asked.body or self.said)
        if asked.target == "/later":
            self.done = asyncio.get_running_loop().create_future()
            self.begun.set()
            return Later(self.done, lambda told: Content(KIND, told))
        return None

    async def route(self, request):
        """Answer the same as a route."""
        self.routed.append((request.method, request.path, await request.read()))
        if request.path == "/slow":
            self.begun.set()
            await self.may_end.wait()
        said = self.routed[-1][2] or self.said
        return web.Response(body=said, headers=KIND)


def serving(source, **more):
    """Serve with a source; give a function that connects."""
    routes = [
        http_server.route(method, path, source.route)
        for method in ("GET", "PUT", "POST")
        for path in ("/at-once", "/later", "/error", "/slow", "/route")
    ]
    return connections.served(http_server.application(routes), prompt=source, **more)


@pytest.fixture
def source():
    """What is asked first."""
    return Source()


@pytest.fixture
def connect(opened, source):
    """Connects to a server with the source."""
    return opened(serving(source))


def request(line="GET /at-once", headers="", body=b""):
    """A request as bytes."""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{line} HTTP/1.1\r\n{HEAD}{length}{headers}\r\n".encode() + body


@pytest.mark.parametrize("body", [b"", b"x" * 65_536], ids=["without", "with"])
async def test_plain_request_is_answered_as_by_its_route(connect, source, body):
    """Ask for the same by the same, at an address that is answered promptly, and through a route; the answers are the same bytes."""
    method = "PUT" if body else "GET"
    prompt = await asked(connect, request(f"{method} /at-once", body=body))
    assert source.routed == []
    routed = await asked(connect, request(f"{method} /route", body=body))
    assert source.routed == [(method, "/route", body)]
    assert prompt == routed
    assert prompt[1] == body or SAID


@pytest.mark.parametrize(
    "data",
    [
        request("POST /at-once"),
        request("GET /at-once", "Range: bytes=0-1\r\n"),
        request("GET /at-once", "Connection: close\r\n"),
        request("GET /at-once", "Connection: upgrade\r\nUpgrade: websocket\r\n"),
        request("GET /at-once", "X-Unknown: 1\r\n"),
        request("PUT /at-once", "Transfer-Encoding: chunked\r\n") + b"1\r\nx\r\n0\r\n\r\n",
        request("PUT /at-once", body=b"x" * 65_537),
        request("GET /at-once", "Connection: keep-alive\r\n").replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
    ids=["post", "range", "close", "upgrade", "unknown", "chunked", "large", "1.0"],
)
async def test_what_is_not_plain_is_left_to_the_routes(connect, source, data):
    assert (await asked(connect, data))[0].partition(b"\r\n")[0].endswith(b"200 OK")
    assert source.asked == []
    assert len(source.routed) == 1


async def test_body_that_is_not_there_yet_is_waited_for_by_its_route(connect, source):
    reader, writer = await connect()
    whole = request("PUT /at-once", body=b"abc")
    writer.write(whole[:-1])
    await writer.drain()
    await asyncio.to_thread(str)
    writer.write(whole[-1:])
    assert (await answer(reader))[1] == b"abc"
    assert source.asked == [] or source.routed == []


@pytest.mark.parametrize("pieces", [1, 2, 7, 100])
async def test_request_in_pieces_is_one(connect, source, pieces):
    """Send a request of many pieces again and again over one connection; each is answered once."""
    reader, writer = await connect()
    data = request("GET /at-once", "User-Agent: somebody\r\n")
    step = -(-len(data) // pieces)
    for _ in range(3):
        for at in range(0, len(data), step):
            writer.write(data[at : at + step])
            await writer.drain()
            await asyncio.to_thread(str)
        assert (await answer(reader))[1] == SAID
    assert len(source.asked) == 3


async def test_pipelined_requests_are_answered_in_their_order(connect, source):
    """Send plain and other requests at once, some with bodies; the answers come in order, each once."""
    reader, writer = await connect()
    bodies = [b"1" * 10, b"2" * 70_000, b"3", b"4" * 10]
    writer.write(b"".join(request("PUT /at-once", body=body) for body in bodies) + request()[:-2])
    for body in bodies:
        assert (await answer(reader))[1] == body
    writer.write(b"\r\n" + request("GET /route"))
    assert [(await answer(reader))[1] for _ in range(2)] == [SAID, SAID]
    assert len(source.routed) + len(source.asked) >= 6


async def test_request_behind_one_that_takes_its_time_is_not_answered_before_it(connect, source):
    reader, writer = await connect()
    writer.write(request("GET /slow"))
    await source.begun.wait()
    writer.write(request("PUT /at-once", body=b"second"))
    await passing()
    assert [each[1] for each in source.asked] == ["/slow"]
    source.may_end.set()
    assert [(await answer(reader))[1] for _ in range(2)] == [SAID, b"second"]


async def test_request_behind_one_that_is_answered_later_waits(connect, source):
    """Nothing overtakes. Send plain ones behind one that is answered later, in packets of their own; they are not looked at before its end."""
    reader, writer = await connect()
    writer.write(request("PUT /later", body=b"x"))
    await source.begun.wait()
    for _ in range(3):
        writer.write(request("GET /at-once"))
        await writer.drain()
        await asyncio.to_thread(str)
    assert [each[1] for each in source.asked] == ["/later"]
    assert source.routed == []
    source.done.set_result(b"later")
    assert [(await answer(reader))[1] for _ in range(4)] == [b"later", SAID, SAID, SAID]


@pytest.mark.parametrize("body", [b"", b"abc"], ids=["without", "with"])
async def test_what_fails_later_is_done_by_its_route(connect, source, body):
    reader, writer = await connect()
    writer.write(request("PUT /later", body=body))
    await source.begun.wait()
    source.done.set_exception(ValueError())
    assert (await answer(reader))[1] == body or SAID
    assert source.routed == [("PUT", "/later", body)]
    writer.write(request())
    assert (await answer(reader))[1] == SAID


async def test_mistake_of_the_source_is_logged_and_costs_no_answer(connect, source, caplog):
    caplog.set_level(logging.ERROR)
    assert (await asked(connect, request("PUT /error", body=b"abc")))[1] == b"abc"
    assert [record.getMessage() for record in caplog.records] == ["no-prompt-answer"]


async def test_garbage_behind_a_plain_request_is_malformed(connect, source):
    """One that is not HTTP spoils what came with it, as ever: it is not answered as if it had come alone."""
    reader, writer = await connect()
    writer.write(request() + b"\x16\x03\x01\r\n\r\n")
    assert (await answer(reader))[0].partition(b"\r\n")[0].endswith(b" 400 Bad Request")
    assert await reader.read() == b""
    assert source.asked == []


async def test_trace_id_is_taken_over_or_made(connect):
    reader, writer = await connect()
    for given, expected in (("abc", "abc"), ("a b", "[0-9a-f]{32}"), ("", "[0-9a-f]{32}")):
        writer.write(request(headers=f"X-Request-Id: {given}\r\n"))
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        await reader.readexactly(len(SAID))
        assert re.search(f"X-Request-Id: {expected}\r\n", head)


@pytest.mark.parametrize("together", [True, False], ids=["together", "one by one"])
async def test_client_that_does_not_read_is_given_no_more(connect, source, together):
    """Memory is bounded. Ask for far more than sockets hold and read nothing; the server stops looking at requests, and goes on when it is read."""
    source.said = bytes(60_000)
    reader, writer = await connect()
    writer.transport.pause_reading()
    count = 1000
    for _ in range(1 if together else count):
        writer.write(request() * (count if together else 1))
        await asyncio.to_thread(str)
    before = -1
    while before != (before := len(source.asked) + len(source.routed)):
        await passing()
    assert before < count / 2
    writer.transport.resume_reading()
    for _ in range(count):
        assert (await answer(reader))[1] == source.said


async def test_client_that_has_gone_harms_nobody(connect, source, caplog):
    """Hang up before the answer that is made elsewhere, once with a reset; nothing is logged, others are answered."""
    caplog.set_level(logging.INFO)
    for abort in (False, True):
        _, writer = await connect()
        writer.write(request("PUT /later", body=b"x"))
        await source.begun.wait()
        source.begun.clear()
        if abort:
            writer.transport.abort()
        else:
            writer.close()
        await passing()
        source.done.set_result(b"nobody reads it")
    assert (await asked(connect, request()))[1] == SAID
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_many_kept_connections_are_all_answered(connect, source):
    kept = [await connect() for _ in range(300)]
    for _ in range(2):
        for _, writer in kept:
            writer.write(request())
        for reader, _ in kept:
            assert (await answer(reader))[1] == SAID
    assert (len(source.asked), source.routed) == (600, [])


async def test_server_that_stops_waits_for_what_is_answered_later(source):
    """Stop a server while an answer is made elsewhere and another connection is idle; the answer comes whole, then both end."""

    async def end():
        assert await idle.read() == b""
        source.done.set_result(b"at last")
        assert (await answer(reader))[1] == b"at last"
        assert await reader.read() == b""

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        async with serving(source, drain_seconds=3600) as connect:
            idle, _ = await connect()
            reader, writer = await connect()
            writer.write(request("PUT /later", body=b"x"))
            await source.begun.wait()
            group.create_task(end())


async def test_idle_connection_ends_and_one_at_work_does_not(source, monkeypatch):
    """Let connections be kept for a moment only; one that is answered later than that is answered, and ends when it has been idle again."""
    monkeypatch.setattr(http_server, "KEEPALIVE_SECONDS", 0.2)
    async with serving(source) as connect:
        idle, _ = await connect()
        reader, writer = await connect()
        writer.write(request())
        assert (await answer(reader))[1] == SAID
        writer.write(request("PUT /later", body=b"x"))
        await source.begun.wait()
        assert await idle.read() == b""
        other, _ = await connect()
        assert await other.read() == b""
        source.done.set_result(b"at last")
        assert (await answer(reader))[1] == b"at last"
        assert await reader.read() == b""


async def test_requests_that_are_logged_are_left_to_the_routes(connect, source, caplog):
    caplog.set_level(logging.DEBUG)
    assert (await asked(connect, request()))[1] == SAID
    assert source.asked == []
    assert "request" in {record.getMessage() for record in caplog.records}
