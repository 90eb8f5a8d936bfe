"""A plain call is answered without a request of aiohttp's; every other one goes its way, to the same handler. Nobody can tell which by the answer."""

import asyncio
import logging
import re

import msgspec
import pytest
from aiohttp import web

from quarterdeck.base import log, tasks
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.infra import answers, http_server
from quarterdeck.infra.calls import Call
from quarterdeck.testing import connections
from quarterdeck.testing.connections import answer, asked, passing

ID = "01a21925-2573-7fc7-98d0-263a2cd3894d"
THING = f"/things/{ID}"
JSON = "Content-Type: application/json\r\n"
USER = "Authorization: Bearer me\r\n"
BY_AIOHTTP = "X-Other: 1\r\n"
"""What leaves a call to aiohttp."""

WHO = web.RequestKey("who", str)
FAILURES = {
    "value": ValueError("the inside"),
    "time": TimeoutError(),
    "internal": QuarterdeckError("the inside"),
    "gone": ConnectionResetError(),
}


class Taken(QuarterdeckError):
    """The name is taken."""

    code = "folder-name-taken"


class Unsigned(QuarterdeckError):
    """Nobody knows who asks."""

    code = "unauthenticated"


class Thing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something to send."""

    name: str


class ThingQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to ask for one."""

    loud: bool = False


class Things:
    """The handlers; notes which way each request came, under which trace, and what became of it."""

    def __init__(self):
        self.plain, self.traces = [], []
        self.begun, self.wake, self.ended = asyncio.Event(), tasks.Wake(), []

    async def authenticate(self, request, handler):
        """Know who asks by a word."""
        self.plain.append(isinstance(request, Call))
        self.traces.append(log.trace())
        _, _, who = request.headers.get("Authorization", "").partition("Bearer ")
        if not who:
            raise Unsigned(field="Authorization")
        message = await http_server.signed_message(request)
        request[WHO] = f"{who} {message!r}"
        return await handler(request)

    async def get(self, request):
        """Answer with all that the handler has seen."""
        query = http_server.query(request, ThingQuery)
        seen = [request[WHO], request.method, request.path, request.raw_path]
        return answers.json([*seen, http_server.path_id(request), query.loud])

    async def post(self, request):
        """Take a thing in."""
        given = await http_server.body(request, Thing)
        if given.name in FAILURES:
            raise FAILURES[given.name]
        if given.name == "taken":
            raise Taken(f"Somebody has {given.name!r}", field="name")
        if given.name == "unspeakable":
            raise Taken("\ud800")
        return answers.json(given, 201)

    async def delete(self, request):
        """Have nothing to say."""
        http_server.path_id(request)
        return answers.DONE

    async def wait(self, request):
        """Answer when it may, which is so when nobody waits for it any more, unless it is stubborn."""
        stubborn = http_server.query(request, ThingQuery).loud
        with http_server.until_in_vain(request, tasks.Wake() if stubborn else self.wake) as over:
            self.begun.set()
            try:
                await self.wake.wait()
            except asyncio.CancelledError:
                self.ended.append("cancelled")
                raise
            self.ended.append("over" if over() else "done")
        return answers.json("waited")


def serving(things, **more):
    """Serve things; give a function that connects."""
    routes = [
        http_server.call("GET", "/things/{id}", things.get, query=ThingQuery),
        http_server.call("POST", "/things", things.post),
        http_server.call("DELETE", "/things/{id}", things.delete),
        http_server.call("PUT", "/wait", things.wait, query=ThingQuery),
    ]

    async def authenticate(request, handler):
        return await things.authenticate(request, handler)

    app = http_server.application(routes, middlewares=[authenticate], body_bytes_max=1000)
    return connections.served(app, **more)


@pytest.fixture
def things():
    """What is asked for."""
    return Things()


@pytest.fixture
def connect(opened, things):
    """Connects to a server of things."""
    return opened(serving(things))


def request(line=f"GET {THING}", headers=USER, body=b""):
    """A request as bytes."""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{line} HTTP/1.1\r\nHost: h\r\n{length}{headers}\r\n".encode() + body


def post(name, headers=""):
    """A request to take a thing in."""
    return request("POST /things", USER + JSON + headers, msgspec.json.encode({"name": name}))


REQUESTS = {
    "get": (request(), b"200"),
    "query": (request(f"GET {THING}?loud=true"), b"200"),
    "quoted query": (request(f"GET {THING}?lo%75d=tr%75e"), b"200"),
    "unknown parameter": (request(f"GET {THING}?x=1"), b"400"),
    "parameter of no use": (request(f"GET {THING}?loud=%ff"), b"400"),
    "parameter twice": (request(f"GET {THING}?loud=1&loud=1"), b"400"),
    "fragment": (request(f"GET {THING}?loud=true#x"), b"200"),
    "post": (post("a"), b"201"),
    "unauthorised": (request(headers=""), b"401"),
    "unknown field": (request("POST /things", USER + JSON, b'{"x":1}'), b"400"),
    "missing field": (request("POST /things", USER + JSON, b"{}"), b"400"),
    "no json": (request("POST /things", USER + JSON, b"{"), b"400"),
    "no body": (request("POST /things", USER + JSON), b"400"),
    "no text": (request("POST /things", USER + JSON, b'{"name":"\xff"}'), b"400"),
    "no type": (request("POST /things", USER, b"{}"), b"415"),
    "other type": (request("POST /things", USER + "Content-Type: text/plain\r\n", b"{}"), b"415"),
    "type with more": (
        request("POST /things", USER + "Content-Type: Application/JSON; charset=x\r\n", b"{}"),
        b"400",
    ),
    "conflict": (post("taken"), b"409"),
    "mistake": (post("value"), b"500"),
    "internal": (post("internal"), b"500"),
    "time-out": (post("time"), b"504"),
    "delete": (request(f"DELETE {THING}"), b"204"),
    "body of a delete": (request(f"DELETE {THING}", USER, b"x"), b"204"),
}


@pytest.mark.parametrize(("data", "status"), REQUESTS.values(), ids=REQUESTS.keys())
async def test_plain_call_is_answered_as_by_aiohttp(connect, things, data, status):
    """Ask for the same in the plainest way, and with a header that leaves it to aiohttp; both answers are the same bytes."""
    plain = await asked(connect, data)
    other = await asked(connect, data.replace(b"Host: h\r\n", f"Host: h\r\n{BY_AIOHTTP}".encode()))
    assert things.plain == [True, False]
    assert plain == other
    assert plain[0].split(b" ")[1] == status


@pytest.mark.parametrize(
    "data",
    [
        request("GET /things/7"),
        request(f"GET /things/{ID.upper()}"),
        request(f"GET /things/{ID}/"),
        request(f"GET /things/{ID}%2f"),
        request(f"GET //things/{ID}"),
        request("PATCH /things"),
        request("POST /things", USER + "Connection: close\r\n"),
        request("POST /things", USER + "Expect: 100-continue\r\n"),
        request("POST /things", USER + JSON + "Content-Encoding: gzip\r\n", b"{}"),
        request("POST /things", USER + JSON, b"x" * 1001),
        request("POST /things", USER + JSON + "Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n",
        request().replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
    ids=[
        *("no id", "upper case", "slash", "quoted", "slashes", "method", "close", "expect"),
        *("encoding", "large", "chunked", "1.0"),
    ],
)
async def test_what_is_not_plain_is_left_to_aiohttp(connect, things, data):
    reader, writer = await connect()
    writer.write(data)
    assert (await reader.readline()).startswith(b"HTTP/1.")
    assert True not in things.plain


async def test_request_in_pieces_is_one(connect, things):
    """Send requests in pieces, one after the other over one connection; each is answered once, and plain if it has no body to wait for."""
    reader, writer = await connect()
    for data in (request(), post("a"), request()):
        for at in (slice(0, 30), slice(30, -3), slice(-3, None)):
            writer.write(data[at])
            await writer.drain()
            await passing()
        assert (await answer(reader))[0].startswith(b"HTTP/1.1 20")
    assert things.plain == [True, False, True]


async def test_pipelined_calls_are_answered_in_their_order(connect):
    """Send several at once, then one behind one that takes its time; the answers come in order, each once."""
    reader, writer = await connect()
    writer.write(b"".join([*map(post, "abc"), post("d")[:-1]]))
    for name in "abc":
        assert (await answer(reader))[1] == msgspec.json.encode({"name": name})
    writer.write(post("d")[-1:])
    assert (await answer(reader))[1] == b'{"name":"d"}'


async def test_call_behind_one_that_takes_its_time_waits(connect, things):
    reader, writer = await connect()
    writer.write(request("PUT /wait"))
    await things.begun.wait()
    for name in "ab":
        writer.write(post(name))
        await passing()
    assert things.plain == [True]
    things.wake.set()
    said = [(await answer(reader))[1] for _ in range(3)]
    assert said == [b'"waited"', b'{"name":"a"}', b'{"name":"b"}']


async def test_all_that_came_behind_a_call_is_answered(connect, things):
    """A connection reads 32 requests ahead. Send a call that takes its time, then more than that at once; each is answered, in its order."""
    reader, writer = await connect()
    writer.write(request("PUT /wait"))
    await things.begun.wait()
    targets = [f"{THING}?loud={word}" for word in ("true", "false") * 40]
    writer.write(b"".join(request(f"GET {target}") for target in targets))
    await passing()
    things.wake.set()
    bodies = [(await answer(reader))[1] for _ in range(81)]
    assert [msgspec.json.decode(body)[3] for body in bodies[1:]] == targets


@pytest.mark.parametrize("headers", [USER, USER + BY_AIOHTTP], ids=["plain", "by aiohttp"])
async def test_client_that_hangs_up_is_noticed(connect, things, caplog, headers):
    """Hang up while a handler waits, once with a reset; it hears of it, goes on to its end, and nothing is logged."""
    caplog.set_level(logging.INFO)
    for number in (1, 2):
        _, writer = await connect()
        writer.write(request("PUT /wait", headers))
        await things.begun.wait()
        things.begun.clear()
        writer.transport.abort() if number == 1 else writer.close()
        await passing()
        assert things.ended == ["over"] * number
    assert (await asked(connect, post("a")))[1] == b'{"name":"a"}'
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("headers", ["", BY_AIOHTTP], ids=["plain", "by aiohttp"])
async def test_broken_connection_to_somebody_else_is_a_mistake(connect, headers, caplog):
    """A handler lets the end of another connection out; the client, who is there, is told that something went wrong, and it is logged."""
    caplog.set_level(logging.ERROR)
    told, body = await asked(connect, post("gone", headers))
    assert told.startswith(b"HTTP/1.1 500 ")
    assert b'"code":"internal"' in body
    assert len(caplog.records) == 1


@pytest.mark.parametrize("headers", ["", BY_AIOHTTP], ids=["plain", "by aiohttp"])
async def test_client_whose_answer_cannot_be_made_does_not_wait_for_it(connect, headers, caplog):
    """Have a refusal in words that no JSON has; the connection ends, and it is logged."""
    caplog.set_level(logging.ERROR)
    reader, writer = await connect()
    writer.write(post("unspeakable", headers))
    assert b"HTTP/1.1 409" not in await reader.read()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.parametrize("headers", [USER, USER + BY_AIOHTTP], ids=["plain", "by aiohttp"])
async def test_server_that_stops_waits_for_calls_and_wakes_them(things, headers):
    """Stop a server while a call waits and another connection is idle; the answer comes whole, then both end."""
    async with serving(things, drain_seconds=3600) as connect:
        idle, _ = await connect()
        reader, writer = await connect()
        writer.write(request("PUT /wait", headers))
        await things.begun.wait()
    assert things.ended == ["over"]
    assert (await answer(reader))[1] == b'"waited"'
    assert await reader.read() == b""
    assert await idle.read() == b""


@pytest.mark.parametrize("headers", [USER, USER + BY_AIOHTTP], ids=["plain", "by aiohttp"])
async def test_call_whose_client_has_gone_has_its_time_as_well(things, headers):
    """Hang up on a call that does not care, stop the server, and let the call end only then; it does so by itself."""

    async def allow():
        await passing()
        things.wake.set()

    async with asyncio.TaskGroup() as group, serving(things, drain_seconds=3600) as connect:
        _, writer = await connect()
        writer.write(request("PUT /wait?loud=true", headers))
        await things.begun.wait()
        writer.close()
        await passing()
        group.create_task(allow())
    assert things.ended == ["over"]


@pytest.mark.parametrize("headers", [USER, USER + BY_AIOHTTP], ids=["plain", "by aiohttp"])
async def test_call_that_outlasts_the_end_of_the_server_is_cancelled(things, headers):
    async with serving(things, drain_seconds=0.05) as connect:
        reader, writer = await connect()
        writer.write(request("PUT /wait?loud=true", headers))
        await things.begun.wait()
    await passing()
    assert things.ended == ["cancelled"]
    assert await reader.read() == b""


async def test_idle_connection_ends_and_one_at_work_does_not(things, monkeypatch):
    """Let connections be kept for a moment only; a call that takes longer is answered, and its connection ends when it has been idle again."""
    monkeypatch.setattr(http_server, "KEEPALIVE_SECONDS", 0.2)
    async with serving(things) as connect:
        idle, _ = await connect()
        reader, writer = await connect()
        writer.write(request("PUT /wait"))
        await things.begun.wait()
        assert await idle.read() == b""
        other, _ = await connect()
        assert await other.read() == b""
        things.wake.set()
        assert (await answer(reader))[1] == b'"waited"'
        assert await reader.read() == b""


@pytest.mark.parametrize("headers", ["", BY_AIOHTTP], ids=["plain", "by aiohttp"])
async def test_trace_id_is_taken_over_or_made(connect, things, caplog, headers):
    """It is in the answer, in the problem, and bound to what the handler logs."""
    caplog.set_level(logging.ERROR)
    for given, expected in (("abc", "abc"), ("a b", "[0-9a-f]{32}")):
        reader, writer = await connect()
        writer.write(post("value", f"X-Request-Id: {given}\r\n{headers}"))
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        (trace,) = re.findall(f"X-Request-Id: ({expected})\r\n", head)
        assert things.traces[-1] == trace
        assert f'"trace":"{trace}"' in (await reader.readuntil(b"}")).decode()
    assert [record.getMessage() for record in caplog.records] == ["request-failed"] * 2


async def test_calls_that_are_logged_are_left_to_aiohttp(connect, things, caplog):
    caplog.set_level(logging.DEBUG)
    assert (await asked(connect, post("a")))[1] == b'{"name":"a"}'
    assert things.plain == [False]
    assert "request" in {record.getMessage() for record in caplog.records}


async def test_many_kept_connections_are_all_answered(connect, things):
    kept = [await connect() for _ in range(300)]
    for name in "ab":
        for _, writer in kept:
            writer.write(post(name))
        for reader, _ in kept:
            assert (await answer(reader))[1] == msgspec.json.encode({"name": name})
    assert things.plain == [True] * 600
