"""Small files are given and taken without aiohttp's requests; whatever is asked, answers and effects are what they are by the routes."""

import asyncio
import contextlib
import json
import os
import re
import zlib

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from quarterdeck.base.config import Secret
from quarterdeck.infra import http_server
from quarterdeck.storage_proxy.http import addresses, tus
from quarterdeck.storage_proxy.http.gate import Gate
from quarterdeck.storage_proxy.http.small_files import SmallFiles
from quarterdeck.storage_proxy.model import Limits
from quarterdeck.storage_proxy.service import Host, StorageService
from quarterdeck.storage_proxy.transfers.slots import Slots
from quarterdeck.storage_proxy.volumes import local
from quarterdeck.testing.fakes.clock import FakeClock
from quarterdeck.wire import tokens
from quarterdeck.wire.folders import Right
from quarterdeck.wire.trees import QuotaLimits

TREES = ("0195c0de-0000-7000-8000-000000000001", "0195c0de-0000-7000-8000-000000000002")
SCOPES = ("one", "two")
KEY = "k" * 40
CONTENT = bytes(range(256)) * 16
EXAMPLES = 250
ANSWERED_MIN = 5
TRANSFERS_MAX = 3
FILE_BYTES_MAX = 50_000
REST = b"GET /nothing HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Request-Id: rest\r\n\r\n"

PATHS = [
    *("small", "edge", "large", "empty", "none", "directory", "link", "around/small", "pipe"),
    *("directory/in", "new/er/file", "small/below", "a%20b", "%73mall", "..", "../small", "."),
    *("%2e%2e/small", "directory//in", "", "small/", "small?token=x", "small?x=1", "%C3%BC"),
    *("n" * 255, "n" * 256, "d/" * 32 + "x", "~-_.x", "sm;all", "small#x", "full/new"),
]
HEADERS = [
    *("Range: bytes=0-1", "Range: bytes=9999999-", "If-None-Match: *", 'If-Match: "x"'),
    *("Accept: */*", "Accept-Encoding: gzip", "User-Agent: somebody", "Cookie: a=b"),
    *("Connection: keep-alive", "Connection: close", "Content-Type: text/plain"),
    *("Content-Encoding: gzip", "Content-Encoding: nothing", "X-Unknown: 1", "tus-resumable: 1"),
    *(f"X-Content-CRC32: {zlib.crc32(CONTENT):08x}", "X-Content-CRC32: 00000000"),
    *("X-Content-CRC32: x", f"X-Content-SHA256: {'0' * 64}", "Authorization: Bearer x"),
    *("Upgrade: websocket", "Host: other"),
]
TOKENS = ["write", "read", "expired", "other tree", "other host", "other key", "basic", "none"]


class Both:
    """Two servers of the same volume: only the first looks for small files before its routes do."""

    def __init__(self, root, stack):
        self.root = root
        self.clock = FakeClock()
        self.volume = stack.enter_context(
            contextlib.closing(
                local.LocalVolume(root, self.clock, Limits(directory_entries_max=10))
            )
        )
        self.storage = StorageService(
            {"local": Host("local", "local", self.volume)}, Limits(file_bytes_max=FILE_BYTES_MAX)
        )
        self.gate, self.slots = Gate(Secret(KEY), self.clock), Slots(TRANSFERS_MAX)
        self.small = SmallFiles(self.storage, self.gate, self.slots)
        self.answered = 0
        self.ports = []

    async def start(self, stack):
        """Fill two trees alike, and serve."""
        for tree, scope in zip(TREES, SCOPES, strict=True):
            await self.volume.limit(scope, QuotaLimits(bytes=400_000, inodes=100))
            await self.volume.create_tree(tree, scope)
            fill(self.root / "trees" / tree / "files")
        for prompt in (self, None):
            app = http_server.application(
                addresses.client(self.storage, self.gate, self.slots, self.clock)
            )
            app.on_response_prepare.append(tus.add_headers)
            listener = http_server.listen("127.0.0.1:0")
            await stack.enter_async_context(http_server.serve(app, listener, prompt=prompt))
            self.ports.append(listener.getsockname()[1])

    @property
    def headers(self):
        """Those of small files."""
        return self.small.headers

    def answer(self, asked):
        """Count what is answered."""
        found = self.small.answer(asked)
        self.answered += found is not None
        return found

    def token(self, kind, tree):
        """The line of a header with a token for a tree."""
        claims = tokens.StorageToken(
            host="nowhere" if kind == "other host" else "local",
            tree=TREES[0].replace("de", "df") if kind == "other tree" else tree,
            right=Right("read" if kind == "read" else "write"),
            exp=int(self.clock.now().timestamp()) + (0 if kind == "expired" else 60),
            user="user",
        )
        text = tokens.sign(claims, "other" if kind == "other key" else KEY)
        return "" if kind == "none" else f"{'Basic' if kind == 'basic' else 'Bearer'} {text}"

    def files(self, tree):
        """What is in a tree, by path."""
        top = self.root / "trees" / tree / "files"
        return {
            str(path.relative_to(top)): path.read_bytes() if path.is_file() else None
            for path in top.rglob("*")
        }


def fill(files):
    """Put what may be asked for into a tree."""
    (files / "directory").mkdir()
    (files / "full").mkdir()
    for number in range(10):
        (files / "full" / str(number)).touch()
    for name, size in (("small", 4096), ("edge", 65_536), ("large", 65_537), ("empty", 0)):
        (files / name).write_bytes((CONTENT * 17)[:size])
    (files / "directory" / "in").write_bytes(CONTENT)
    (files / "link").symlink_to("small")
    (files / "around").symlink_to(".")
    os.mkfifo(files / "pipe")


@contextlib.asynccontextmanager
async def serving(root):
    """Own both servers."""
    async with contextlib.AsyncExitStack() as stack:
        both = Both(root, stack)
        await both.start(stack)
        yield both


@pytest.fixture
def both(shakeout_runner, tmp_path):
    """Two servers."""
    with contextlib.closing(shakeout_runner.keep(serving(tmp_path / "volume"))) as kept:
        yield kept.value


def request(line, token="", headers=(), body=None):
    """A request as bytes."""
    lines = [f"{line} HTTP/1.1", "Host: h", "X-Request-Id: t", *headers]
    lines += [f"Authorization: {token}"] if token else []
    lines += [] if body is None else [f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


async def answer(reader, *, has_body=True):
    """Read one answer, or what there is of it."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        return head + await reader.readexactly(int(length.group(1)) if length and has_body else 0)
    except asyncio.IncompleteReadError as error:
        return error.partial


async def exchanged(port, data):
    """Send a request and then another one; return all that comes, but for what time changes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.closing(writer):
        async with asyncio.timeout(10):
            writer.write(data)
            got = await answer(reader, has_body=not data.startswith(b"HEAD"))
            with contextlib.suppress(ConnectionError):
                writer.write(REST)
                got += await reader.read()
    return re.sub(rb'(Date: |"modified_at":").*?([\r"])', rb"\1\2", got)


async def differ(both, method, path, drawn):
    """Ask both servers for the same, each in a tree of its own where that changes something; return both answers."""
    headers, kind, body = drawn
    trees = TREES if method == "PUT" else TREES[:1] * 2
    return [
        await exchanged(
            port,
            request(f"{method} /client/v1/files/{path}", both.token(kind, tree), headers, body),
        )
        for port, tree in zip(both.ports, trees, strict=True)
    ]


REQUESTS = st.tuples(
    st.sampled_from(["GET", "GET", "PUT", "PUT", "HEAD"]),
    st.sampled_from(PATHS) | st.sampled_from(["small", "empty", "directory/in", "new/er/file"]),
    st.tuples(
        st.lists(st.sampled_from(HEADERS), max_size=2, unique=True),
        st.sampled_from(["write", "read"]) | st.sampled_from(TOKENS),
        st.sampled_from([None, b"", CONTENT, bytes(65_536), bytes(65_537)]),
    ),
)


def test_answers_and_effects_are_those_of_the_routes(request, both, shakeout_runner):
    """Ask for what one may think of, with headers, tokens and bodies of all kinds; compare answers byte for byte, and what lies on the disk."""

    @seed(request.config.getoption("shakeout_seed"))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(REQUESTS)
    def compare(drawn):
        prompt, routed = shakeout_runner.run(differ(both, *drawn))
        assert prompt == routed
        assert both.files(TREES[0]) == both.files(TREES[1])

    compare()
    assert both.answered >= ANSWERED_MIN
    views = [shakeout_runner.run(both.volume.quota(scope)) for scope in SCOPES]
    assert views[0] == views[1]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_each_path_has_one_answer(both, method, path):
    body = CONTENT if method == "PUT" else None
    prompt, routed = await differ(both, method, path, ((), "write", body))
    assert prompt == routed
    assert both.files(TREES[0]) == both.files(TREES[1])


@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_each_token_has_one_answer(both, method, kind):
    body = CONTENT if method == "PUT" else None
    prompt, routed = await differ(both, method, "small", ((), kind, body))
    assert prompt == routed
    begun = {"write", "read"} if method == "GET" else {"write", "other tree"}
    assert both.answered == (kind in begun)


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_each_header_has_one_answer(both, method, header):
    body = CONTENT if method == "PUT" else None
    prompt, routed = await differ(both, method, "small", ((header,), "write", body))
    assert prompt == routed
    assert both.files(TREES[0]) == both.files(TREES[1])


@pytest.mark.parametrize("size", [0, 1, 4096, FILE_BYTES_MAX, FILE_BYTES_MAX + 1, 65_536, 65_537])
async def test_each_size_has_one_answer(both, size):
    prompt, routed = await differ(both, "PUT", "new", ((), "write", bytes(size)))
    assert prompt == routed
    assert both.files(TREES[0]) == both.files(TREES[1])


class Kept:
    """A kept connection to the server that looks for small files first."""

    def __init__(self, both, reader, writer):
        self._both, self._reader, self._writer = both, reader, writer
        self.token = both.token("write", TREES[0])

    async def ask(self, line, body=None):
        """Return status and body of an answer."""
        self._writer.write(request(line, self.token, (), body))
        async with asyncio.timeout(10):
            head, _, found = (await answer(self._reader)).partition(b"\r\n\r\n")
        return int(head.split()[1]), found


@pytest.fixture
def kept(both, shakeout_runner):
    """A kept connection."""
    reader, writer = shakeout_runner.run(asyncio.open_connection("127.0.0.1", both.ports[0]))
    with contextlib.closing(writer):
        yield Kept(both, reader, writer)


async def test_token_that_ends_on_a_kept_connection_opens_nothing_more(both, kept):
    """Tokens are remembered, not their time. Read and write until the deadline, on one connection; at the deadline both are refused."""
    line = "/client/v1/files/small"
    for _ in range(2):
        assert await kept.ask(f"GET {line}") == (200, CONTENT)
        assert (await kept.ask(f"PUT {line}", CONTENT))[0] == 200
    answered = both.answered
    assert answered == 4
    both.clock.advance(60)
    for asked in ((f"GET {line}",), (f"PUT {line}", b"late")):
        status, found = await kept.ask(*asked)
        assert (status, json.loads(found)["code"]) == (401, "token-expired")
    assert both.files(TREES[0])["small"] == CONTENT
    assert both.answered == answered


async def test_file_that_changes_is_given_as_it_is(both, kept):
    """Nothing is remembered of a file. Replace it by hand, make it a link, a directory, nothing; each answer is of what is there."""
    file = both.root / "trees" / TREES[0] / "files" / "small"
    line = "GET /client/v1/files/small"
    for content in (b"x", b"y", b""):
        file.write_bytes(content)
        assert await kept.ask(line) == (200, content)
    file.unlink()
    assert (await kept.ask(line))[0] == 404
    file.symlink_to("edge")
    assert json.loads((await kept.ask(line))[1])["code"] == "path-refused"
    file.unlink()
    file.mkdir()
    assert json.loads((await kept.ask(line))[1])["code"] == "is-a-directory"


async def test_transfers_under_way_are_counted_together(both, kept):
    """Take all transfers of a user; nothing is given or taken promptly, and when one ends, both are."""
    with contextlib.ExitStack() as stack:
        for _ in range(TRANSFERS_MAX):
            stack.enter_context(both.slots.taken("user"))
        for asked in (("GET /client/v1/files/small",), ("PUT /client/v1/files/new", b"x")):
            assert (await kept.ask(*asked))[0] == 429
        assert both.answered == 0
    for _ in range(2 * TRANSFERS_MAX):
        assert (await kept.ask("PUT /client/v1/files/new", b"x"))[0] == 200
    assert (await kept.ask("GET /client/v1/files/new")) == (200, b"x")
    assert both.answered == 2 * TRANSFERS_MAX + 1


async def test_what_does_not_fit_is_refused_once(both, kept):
    """Let the quota have room for less than a small file; it is refused, nothing is left of it, and what was there stays."""
    await both.volume.limit(SCOPES[0], QuotaLimits(bytes=180_000, inodes=None))
    before = both.files(TREES[0])
    status, found = await kept.ask("PUT /client/v1/files/small", bytes(45_000))
    assert (status, json.loads(found)["code"]) == (507, "quota-exceeded")
    assert both.files(TREES[0]) == before
    assert list((both.root / "trees" / TREES[0] / "staging").iterdir()) == []
