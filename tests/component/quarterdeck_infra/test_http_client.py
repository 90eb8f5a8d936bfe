"""A call ends with a value, or says whether it was refused, never arrived, or may have been done."""

import asyncio
import contextlib
from datetime import UTC, datetime

import pytest

from quarterdeck.base import log
from quarterdeck.base.config import Secret
from quarterdeck.infra import http_client, http_server
from quarterdeck.infra.errors import OutcomeUnknown, Refused, Unavailable, Unreachable
from quarterdeck.wire import signing
from quarterdeck.wire.executions import Execute

SECRET = "hush"


class Noon:
    """A clock that stands."""

    def now(self):
        return datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)

    def monotonic(self):
        return 0.0


SIGNED = http_client.Signed("manager", Secret(SECRET), Noon())
BEARER = http_client.Bearer(Secret("tok"))


async def check_signature(request, handler):
    claim = signing.read_claim(
        request.headers.get("Authorization"), request.headers.get(signing.DATE_HEADER)
    )
    message = await http_server.signed_message(request)
    signing.verify(claim, message, SECRET, Noon().now())
    return await handler(request)


async def echo(request):
    return http_server.reply(await http_server.body(request, Execute))


async def trace(request):
    return http_server.reply(request.headers.get("X-Request-Id"))


async def unavailable(_):
    raise Unavailable("not now")


async def broken(_):
    raise ValueError


async def gone(_):
    return http_server.no_content()


@contextlib.asynccontextmanager
async def serving(middlewares):
    routes = [
        http_server.route("POST", "/echo", echo),
        http_server.route("GET", "/trace", trace),
        http_server.route("DELETE", "/thing", gone),
        *(http_server.route(method, "/unavailable", unavailable) for method in ("GET", "POST")),
        *(http_server.route(method, "/broken", broken) for method in ("GET", "POST")),
    ]
    listener = http_server.listen("127.0.0.1:0")
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = http_server.application(routes, middlewares=middlewares)
    async with http_server.serve(app, listener):
        yield url


@pytest.fixture
def url(opened):
    """A server that wants signatures."""
    return opened(serving([check_signature]))


@pytest.fixture
def client(opened):
    """A client."""
    return opened(http_client.HttpClient.open())


@contextlib.asynccontextmanager
async def rude(answer):
    """Give the URL of a server that reads a request, sends these bytes and hangs up."""

    async def talk(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"


async def test_signed_call_brings_a_value(client, url):
    sent = Execute("print('ö')")
    assert await client.call("POST", f"{url}/echo", Execute, auth=SIGNED, body=sent) == sent
    assert await client.call("DELETE", f"{url}/thing?", type(None), auth=SIGNED) is None


async def test_trace_goes_along(client, url):
    with log.bind(trace="t-1"):
        assert await client.call("GET", f"{url}/trace", str, auth=SIGNED) == "t-1"


@pytest.mark.parametrize(
    ("auth", "code"),
    [
        (BEARER, "unauthenticated"),
        (http_client.Signed("manager", Secret("other"), Noon()), "signature-mismatch"),
    ],
)
async def test_wrong_credentials_are_refused(client, url, auth, code):
    with pytest.raises(Refused) as refused:
        await client.call("GET", f"{url}/trace", str, auth=auth)
    assert refused.value.problem.code == code


async def test_problem_is_a_refusal(client, url):
    for method in ("GET", "POST"):
        with pytest.raises(Refused) as refused:
            await client.call(method, f"{url}/unavailable", str, auth=SIGNED)
        assert refused.value.problem.detail == "not now"


async def test_internal_error_leaves_open_whether_it_was_done(client, url):
    with pytest.raises(OutcomeUnknown):
        await client.call("POST", f"{url}/broken", str, auth=SIGNED)
    with pytest.raises(Refused):
        await client.call("GET", f"{url}/broken", str, auth=SIGNED)


async def test_nobody_there_is_unreachable(client):
    for method in ("GET", "POST"):
        with pytest.raises(Unreachable):
            await client.call(method, "http://127.0.0.1:1/x", str, auth=BEARER)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
    ],
)
async def test_broken_answer_leaves_it_open(client, answer):
    async with rude(answer) as url:
        with pytest.raises(OutcomeUnknown):
            await client.call("POST", url, str, auth=BEARER)
        with pytest.raises(Unreachable):
            await client.call("GET", url, str, auth=BEARER)


async def test_large_answer_is_bounded(monkeypatch):
    monkeypatch.setattr(http_client, "ANSWER_BYTES_MAX", 1000)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000
    async with http_client.HttpClient.open() as client, rude(answer) as url:
        with pytest.raises(Unreachable, match="too large"):
            await client.call("GET", url, str, auth=BEARER)


async def test_kept_connection_that_was_closed_is_replaced(client):
    async with serving([]) as url:
        assert await client.call("DELETE", f"{url}/thing", type(None), auth=BEARER) is None
        port = url.rpartition(":")[2]
    listener = http_server.listen(f"127.0.0.1:{port}")
    routes = [http_server.route("GET", "/trace", trace)]
    async with http_server.serve(http_server.application(routes), listener):
        assert await client.call("GET", f"{url}/trace", str | None, auth=BEARER) is None


async def test_calls_at_once_share_nothing(client, url):
    async with asyncio.TaskGroup() as group:
        calls = [
            group.create_task(
                client.call("POST", f"{url}/echo", Execute, auth=SIGNED, body=Execute(str(n)))
            )
            for n in range(200)
        ]
    assert [call.result().code for call in calls] == [str(n) for n in range(200)]


async def test_cancelled_call_harms_no_other(client, url):
    for n in range(20):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.0005 * n):
                await client.call(
                    "POST", f"{url}/echo", Execute, auth=SIGNED, body=Execute("lost")
                )
        kept = await client.call("POST", f"{url}/echo", Execute, auth=SIGNED, body=Execute(str(n)))
        assert kept.code == str(n)


def test_credentials_do_not_print():
    assert SECRET not in repr(SIGNED)
    assert "tok" not in repr(BEARER)
