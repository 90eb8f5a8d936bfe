"""Whatever is sent to a server, the answer is a value or a problem with a stable code; nothing of the inside shows."""

import asyncio
import contextlib
import json
import logging
import os
import socket

import msgspec
import pytest
from aiohttp import web

from quarterdeck.base import tasks
from quarterdeck.base.clock import SystemClock
from quarterdeck.base.errors import ConfigInvalid, QuarterdeckError
from quarterdeck.infra import http_server
from quarterdeck.wire.sessions import SessionQuery, Slots

JSON = "Content-Type: application/json"
CHUNKED = (
    f"POST /pets HTTP/1.1\r\nHost: h\r\n{JSON}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
)


class Taken(QuarterdeckError):
    """The name is taken."""

    code = "folder-name-taken"


class Pet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something to send."""

    slots: Slots


class Server:
    """Speaks to a server in raw bytes."""

    def __init__(self, port):
        self.port = port

    async def raw(self, data):
        """Send bytes; return status, headers and body of the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        with contextlib.closing(writer):
            writer.write(data)
            async with asyncio.timeout(5):
                head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, body

    async def ask(self, line, *headers, body=b""):
        """Send a request line like `GET /x` with headers and a body."""
        lines = [f"{line} HTTP/1.1", "Host: h", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return await self.raw("\r\n".join([*lines, "", ""]).encode() + body)

    async def problem(self, line, *headers, body=b""):
        """Return status, code and field of the problem that a request meets."""
        status, got, data = await self.ask(line, *headers, body=body)
        assert got["content-type"] == "application/problem+json"
        problem = json.loads(data)
        assert problem["status"] == status
        return status, problem["code"], problem.get("field")


async def take(request):
    return http_server.reply(await http_server.body(request, Pet), 201)


def failure(request):
    """The error that an address stands for."""
    return {
        "value": ValueError("the inside"),
        "taken": Taken(field="name"),
        "time": TimeoutError(),
        "http": web.HTTPConflict(),
        "internal": QuarterdeckError("the inside"),
    }[request.match_info["how"]]


async def fail(request):
    raise failure(request)


async def fail_late(request):
    response = web.StreamResponse()
    response.content_length = 100
    await response.prepare(request)
    await response.write(b"A" * 10)
    raise failure(request)


async def look(request):
    return http_server.reply({"id": http_server.path_id(request)})


async def ls(request):
    return http_server.reply(http_server.query(request, SessionQuery))


def application(released=None, entered=None):
    async def check():
        return None if released is None or released.is_set() else "not yet"

    async def wait(request):
        entered.set()
        await http_server.draining(request).wait()
        return http_server.reply("drained")

    routes = [
        http_server.route("POST", "/pets", take),
        http_server.route("GET", "/fail/{how}", fail),
        http_server.route("GET", "/late/{how}", fail_late),
        http_server.route("GET", "/pets/{id}", look),
        http_server.route("GET", "/pets", ls, query=SessionQuery),
        http_server.route("GET", "/wait", wait),
        http_server.health("pound", "p1", check, SystemClock()),
    ]
    return http_server.application(routes, body_bytes_max=1000)


@contextlib.asynccontextmanager
async def serving(app):
    listener = http_server.listen("127.0.0.1:0")
    port = listener.getsockname()[1]
    async with http_server.serve(app, listener):
        yield Server(port)


@pytest.fixture
def server(opened):
    """A server with one of each."""
    return opened(serving(application()))


async def test_good_request(server):
    status, headers, body = await server.ask("POST /pets", JSON, body=b'{"slots":{"cpu":2}}')
    assert (status, headers["content-type"]) == (201, "application/json")
    assert json.loads(body) == {"slots": {"cpu": 2, "memory_mib": 256}}


@pytest.mark.parametrize(
    ("line", "headers", "body", "expected"),
    [
        ("GET /nope", (), b"", (404, "route-not-found", None)),
        ("GET /pets/", (), b"", (404, "route-not-found", None)),
        ("DELETE /pets", (), b"", (405, "method-not-allowed", None)),
        ("BREW /pets", (), b"", (400, "malformed-request", None)),
        ("POST /pets", (), b"{}", (415, "unsupported-media-type", None)),
        (
            "POST /pets",
            ("Content-Type: text/plain",),
            b"{}",
            (415, "unsupported-media-type", None),
        ),
        (
            "POST /pets",
            (JSON, "Content-Encoding: gzip"),
            b"{}",
            (415, "unsupported-media-type", None),
        ),
        ("POST /pets", (JSON,), b"", (400, "malformed-json", None)),
        ("POST /pets", (JSON,), b"{", (400, "malformed-json", None)),
        ("POST /pets", (JSON,), b"{}", (400, "missing-field", "slots")),
        ("POST /pets", (JSON,), b'{"slots":{"cpu":0}}', (400, "invalid-field", "slots.cpu")),
        ("POST /pets", (JSON,), b"x" * 1001, (413, "body-too-large", None)),
        ("POST /pets?x=1", (JSON,), b'{"slots":{}}', (400, "unknown-field", "x")),
        ("GET /pets?all=1&all=1", (), b"", (400, "invalid-field", "all")),
        ("GET /pets?all=x", (), b"", (400, "invalid-field", "all")),
        ("GET /pets?x=%ff", (), b"", (400, "unknown-field", "x")),
        ("GET /pets/7", (), b"", (400, "invalid-field", "id")),
        ("GET /pets/%00", (), b"", (400, "invalid-field", "id")),
        ("GET /fail/taken", (), b"", (409, "folder-name-taken", "name")),
        ("GET /fail/value", (), b"", (500, "internal", None)),
        ("GET /fail/internal", (), b"", (500, "internal", None)),
        ("GET /fail/time", (), b"", (504, "outcome-unknown", None)),
        ("GET /pets", ("Expect: much",), b"", (400, "malformed-request", None)),
        ("GET /pets", ("X: " + "x" * 9000,), b"", (400, "malformed-request", None)),
    ],
)
async def test_bad_request_is_a_problem(server, line, headers, body, expected):
    assert await server.problem(line, *headers, body=body) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /pets HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        b"POST /pets HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        CHUNKED + b"zz\r\n",
    ],
)
async def test_what_is_not_http_is_a_problem(server, data):
    status, headers, body = await server.raw(data)
    assert (status, headers["content-type"]) == (400, "application/problem+json")
    assert headers["server"] == "quarterdeck"
    assert json.loads(body)["code"] == "malformed-request"


async def test_chunked_body_is_bounded_too(server):
    chunk = b"200\r\n" + b"x" * 0x200 + b"\r\n"
    status, _, body = await server.raw(CHUNKED + chunk * 4 + b"0\r\n\r\n")
    assert (status, json.loads(body)["code"]) == (413, "body-too-large")


async def test_unexpected_error_shows_nothing_and_is_logged_once(server, caplog):
    caplog.set_level(logging.ERROR)
    _, headers, body = await server.ask("GET /fail/value", "X-Request-Id: trace-1")
    assert b"the inside" not in body
    assert json.loads(body)["trace"] == headers["x-request-id"] == "trace-1"
    records = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage() for record in records] == ["request-failed"]
    assert "the inside" in str(records[0].exc_info)


@pytest.mark.parametrize("how", ["value", "taken", "time", "http", "internal"])
async def test_error_after_a_response_has_begun_is_no_part_of_it(server, how):
    """What is announced comes, or the connection ends. Fail after ten bytes of a hundred; read all that comes before the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    got = b""
    with contextlib.closing(writer), contextlib.suppress(ConnectionResetError):
        writer.write(f"GET /late/{how} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        async with asyncio.timeout(5):
            while block := await reader.read(1000):
                got += block
    assert got.partition(b"\r\n\r\n")[2] in {b"", b"A" * 10}
    assert (await server.ask("GET /health"))[0] == 200


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>"])
async def test_odd_trace_ids_are_replaced(server, given):
    _, headers, _ = await server.ask("GET /health", f"X-Request-Id: {given}")
    assert len(headers["x-request-id"]) == 32


async def test_health_tells_what_is_wrong():
    released = asyncio.Event()
    async with serving(application(released)) as server:
        status, _, body = await server.ask("GET /health")
        assert (status, json.loads(body)["reason"]) == (503, "not yet")
        released.set()
        status, _, body = await server.ask("GET /health")
    assert (status, json.loads(body)["status"]) == (200, "ok")


async def test_requests_under_way_are_answered_at_the_end():
    entered = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        async with serving(application(entered=entered)) as server:
            waiting = group.create_task(server.ask("GET /wait"))
            async with asyncio.timeout(5):
                await entered.wait()
    assert waiting.result()[2] == b'"drained"'
    with pytest.raises(ConnectionError):
        await server.ask("GET /health")


async def test_inherited_socket_is_served_from_its_backlog():
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port, number = bound.getsockname()[1], os.dup(bound.fileno())
    server = Server(port)
    async with asyncio.TaskGroup() as group:
        early = group.create_task(server.ask("GET /health"))
        async with http_server.serve(application(), http_server.listen(f"fd:{number}")):
            await early
    assert early.result()[0] == 200


@pytest.mark.parametrize(
    "text", ["", "x", "8080", "fd:", "fd:x", "fd:9999", "127.0.0.1:x", ":80x"]
)
def test_unusable_address_is_refused(text):
    with pytest.raises(ConfigInvalid):
        http_server.listen(text)


@pytest.mark.parametrize("turns", range(6))
async def test_who_connects_while_the_server_stops_is_hung_up_on(turns):
    """It is told so after whatever turn of the loop its connection had come to; nobody waits for an answer that does not come."""
    listener = http_server.listen("127.0.0.1:0")
    with socket.socket() as client:
        client.setblocking(False)
        async with http_server.serve(http_server.application([]), listener):
            with contextlib.suppress(BlockingIOError):
                client.connect(listener.getsockname())
            for _ in range(turns):
                await tasks.pause(0)
        async with asyncio.timeout(5):
            assert await _heard(client) == b""


async def _heard(client):
    """What comes before the end of a connection; nothing if it was refused or cut."""
    try:
        return await asyncio.get_running_loop().sock_recv(client, 1)
    except ConnectionError:
        return b""
