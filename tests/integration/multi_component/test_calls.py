"""What is asked for often is answered without a request of aiohttp's where it is plain: nobody can tell by the answer."""

import asyncio
import contextlib

import msgspec
import pytest
from yarl import URL

from quarterdeck.base.clock import SystemClock
from quarterdeck.testing import connections, system
from quarterdeck.wire import agents, signing

NOBODY = "0198c0de-0000-7000-8000-00000000dead"
RUN = "0198c0de-0000-7000-8000-00000000beef"
BY_AIOHTTP = {"X-Other": "1"}
SLOTS = {"cpu": 1, "memory_mib": 64}
KERNEL = {"session": NOBODY, "image": "python:3.11", "slots": SLOTS}

OF_MANAGER = (
    ("GET", "/v1/sessions/{session}", None, 200),
    ("GET", "/v1/sessions/{session}?x=1", None, 400),
    ("GET", f"/v1/sessions/{NOBODY}", None, 404),
    ("POST", "/v1/sessions", {"image": "python:3.11", "slots": {"cpu": 0}}, 400),
    ("POST", "/v1/sessions", {"image": "python:3.11", "unknown": 1}, 400),
    ("POST", "/v1/sessions", {"image": "python:3.11", "slots": SLOTS, "name": "taken"}, 409),
    ("POST", "/v1/sessions", {"image": "x" * 60_000}, 400),
    ("POST", "/v1/sessions/{session}/execute", {"code": "6 * 7", "run": RUN}, 200),
    ("POST", "/v1/sessions/{session}/execute", {"code": "other", "run": RUN}, 409),
    ("POST", "/v1/sessions/{session}/execute?kernel=sub9", {"code": "1"}, 404),
    ("POST", "/v1/sessions/{session}/execute", {"code": 1}, 400),
    ("DELETE", f"/v1/sessions/{NOBODY}", None, 404),
    ("DELETE", "/v1/sessions/{session}?force=maybe", None, 400),
)
OF_AGENT = (
    ("PUT", f"/v1/kernels/{NOBODY}", {"image": "x"}, 400),
    ("PUT", f"/v1/kernels/{NOBODY}", KERNEL | {"slots": {"cpu": 99}}, 409),
    ("PUT", f"/v1/kernels/{NOBODY}/runs/{RUN}", {"code": "1"}, 404),
    ("DELETE", f"/v1/kernels/{NOBODY}", None, 204),
)


class Asker:
    """Asks a component in raw bytes, signed."""

    def __init__(self, url, access_key, secret):
        self._url, self._key, self._secret = URL(url), access_key, secret

    async def both(self, method, path, given, **wrong):
        """Ask in both ways, first in the plain one; give both answers, what differs from one to the next left out."""
        plain = await self._answer(method, path, given, wrong)
        return plain, await self._answer(method, path, given, wrong | BY_AIOHTTP)

    async def _answer(self, method, path, given, more):
        body = b"" if given is None else msgspec.json.encode(given)
        kind, host = "application/json" if body else "", self._url.with_user(None).authority
        for_ = self._url.user or ""
        message = signing.Message(method, path, host, kind, body, for_)
        headers = {"Host": host, "X-Request-Id": "t"}
        headers |= {signing.AUDIENCE_HEADER: for_} if for_ else {}
        headers |= {"Content-Type": kind, "Content-Length": str(len(body))} if body else {}
        headers |= signing.sign(message, self._key, self._secret, SystemClock().now()) | more
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
        reader, writer = await asyncio.open_connection(self._url.host, self._url.port)
        with contextlib.closing(writer):
            writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            async with asyncio.timeout(20):
                return await connections.answer(reader)


@pytest.fixture
def agent(cluster):
    """Asks the agent as a manager does."""
    return Asker(agents.url("agent", cluster.address("agent.http")), "manager", system.keys.agent)


@pytest.fixture
def manager(user):
    """Asks the manager as the test's user."""
    return Asker(user.url, user.keypair.access_key, user.keypair.secret_key)


async def test_manager_answers_the_same_in_both_ways(manager, user):
    """Ask for each thing that plain requests are answered for, well and badly, in both ways over real sockets; compare the bytes."""
    session = await user.sessions.create(slots=SLOTS, name="taken", wait=20)
    for method, path, given, status in OF_MANAGER:
        plain, other = await manager.both(method, path.format(session=session.id), given)
        assert plain == other
        assert plain[0].startswith(f"HTTP/1.1 {status} ".encode()), (method, path, plain)


async def test_agent_answers_the_same_in_both_ways(agent):
    """The same for what an agent is asked for: each thing in both ways, and the bytes of the answers compared."""
    for method, path, given, status in OF_AGENT:
        plain, other = await agent.both(method, path, given)
        assert plain == other
        assert plain[0].startswith(f"HTTP/1.1 {status} ".encode()), (method, path, plain)


@pytest.mark.parametrize(
    "wrong",
    [
        {"Authorization": "Bearer x"},
        {"Authorization": ""},
        {"Content-Type": "text/plain"},
        {signing.DATE_HEADER: "2026-01-01T00:00:00Z"},
        {signing.DATE_HEADER: "yesterday"},
        {signing.AUDIENCE_HEADER: "another"},
        {"Host": "another"},
    ],
    ids=["bearer", "nothing", "type", "old", "no date", "audience", "host"],
)
async def test_signature_is_looked_at_in_both_ways(manager, agent, wrong):
    """Change a header after it was signed; both components refuse it, in both ways with the same words."""
    for asker, path in ((manager, "/v1/sessions"), (agent, f"/v1/kernels/{NOBODY}")):
        method = "POST" if asker is manager else "PUT"
        plain, other = await asker.both(method, path, {"image": "x"}, **wrong)
        assert plain == other
        assert plain[0].startswith(b"HTTP/1.1 401 ")
