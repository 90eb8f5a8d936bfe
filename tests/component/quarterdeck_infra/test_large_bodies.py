"""Large bodies are taken from their connection whole and in order, and the connection goes on after them, or ends where nobody knows how."""

import asyncio
import contextlib
import hashlib
import json
import random
import threading

import pytest

from quarterdeck.infra import http_server, large_bodies

CONTENT = random.Random(1).randbytes(5 * large_bodies.LARGE_BYTES + 12_345)
SILENCE = 5.0


class Refusal(Exception):
    """The handler wants no more."""


class Seen:
    """What the handler has done so far."""

    def __init__(self):
        self.blocks, self.error, self.changed = [], None, asyncio.Event()
        self.latest = b""
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.refuses = self.refuses_at_once = self.ends_late = False
        self.whole, self.may_end = asyncio.Event(), asyncio.Event()
        self.sent = asyncio.Semaphore(0)

    async def enter(self):
        """Refuse at once, but not before all is there."""
        if self.refuses_at_once:
            await self.sent.acquire()
            raise Refusal

    async def leave(self):
        """Note that all was seen."""
        self.whole.set()
        if self.ends_late:
            await self.may_end.wait()

    async def see(self, block):
        """Note a block."""
        await self.may_go_on.wait()
        self.blocks.append(len(block))
        self.latest = block
        self.changed.set()
        if self.refuses and len(block) >= large_bodies.LARGE_BYTES:
            raise Refusal


async def take(request, seen, silence):
    """Take a body in: whole, or what the address says of it."""
    digest = hashlib.sha256()
    try:
        async with large_bodies.taken(request, silence) as blocks:
            await seen.enter()
            async for block in blocks:
                digest.update(block)
                await seen.see(block)
            await seen.leave()
    except (ConnectionError, TimeoutError) as error:
        seen.error = error
        seen.changed.set()
        raise
    except Refusal:
        return http_server.reply("refused", 409)
    return http_server.reply(digest.hexdigest())


@contextlib.asynccontextmanager
async def serving(seen, silence=SILENCE):
    """A server that takes bodies in; its address."""

    async def handler(request):
        return await take(request, seen, silence)

    app = http_server.application([http_server.route("PUT", "/", handler)])
    listener = http_server.listen("127.0.0.1:0")
    async with http_server.serve(app, listener):
        yield listener.getsockname()


@contextlib.asynccontextmanager
async def connected(seen, silence=SILENCE):
    """A connection to a server that takes bodies in, as (reader, writer)."""
    async with serving(seen, silence) as address:
        reader, writer = await asyncio.open_connection(*address)
        with contextlib.closing(writer):
            async with asyncio.timeout(20):
                yield reader, writer


@pytest.fixture
def seen():
    """What the handler sees."""
    return Seen()


async def held_back(writer):
    """Nobody reads as much as was written; return how much is left."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await writer.drain()
    return writer.transport.get_write_buffer_size()


async def passing():
    """Let the loop, which is the server's, too, take a few turns."""
    for _ in range(10):
        await asyncio.to_thread(str)


def put(content=CONTENT):
    """A request with a body."""
    return f"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {len(content)}\r\n\r\n".encode()


async def answer(reader):
    """Read one answer: status, headers, value."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().splitlines()
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    return (
        int(head[0].split()[1]),
        headers,
        json.loads(await reader.readexactly(int(headers["content-length"]))),
    )


@pytest.mark.parametrize("step", [len(CONTENT), 1 << 20, 70_001])
async def test_bodies_follow_each_other_on_one_connection(seen, step):
    """Send three bodies in one stream of bytes, cut anywhere; each is answered by its own SHA-256."""
    contents = [CONTENT, CONTENT[1:], CONTENT[7 : 7 + large_bodies.LARGE_BYTES]]
    stream = b"".join(put(each) + each for each in contents)
    async with connected(seen) as (reader, writer):
        for at in range(0, len(stream), step):
            writer.write(stream[at : at + step])
        for content in contents:
            status, headers, value = await answer(reader)
            assert (status, value) == (200, hashlib.sha256(content).hexdigest())
            assert headers.get("connection") != "close"


async def test_client_that_hangs_up_is_told_to_the_handler_after_all_it_has_sent(seen):
    """Send a part and close; the handler has the part, then an error."""
    async with connected(seen) as (_, writer):
        writer.write(put() + CONTENT[:3_000_000])
        await writer.drain()
        writer.close()
        while seen.error is None:
            await seen.changed.wait()
            seen.changed.clear()
    assert sum(seen.blocks) == 3_000_000
    assert isinstance(seen.error, ConnectionError)


async def test_body_that_is_refused_half_way_ends_its_connection(seen):
    """Refuse after the first large block while the client goes on sending; it reads the answer, which says that the connection ends, and its end."""
    seen.refuses = True
    async with connected(seen) as (reader, writer):
        writer.write(put() + CONTENT)
        status, headers, _ = await answer(reader)
        assert (status, headers["connection"]) == (409, "close")
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""


async def test_memory_of_a_body_that_was_left_is_nobody_elses(seen):
    """Refuse half way, as if a thread still worked on the block, and take in other bodies; the block stays what it was."""
    seen.refuses = True
    async with connected(seen) as (reader, writer):
        writer.write(put() + CONTENT)
        assert (await answer(reader))[0] == 409
    left, at = seen.latest, sum(seen.blocks[:-1])
    seen.refuses = False
    async with connected(seen) as (reader, writer):
        for _ in range(3):
            zeros = bytes(len(CONTENT))
            writer.write(put(zeros) + zeros)
            assert (await answer(reader))[2] == hashlib.sha256(zeros).hexdigest()
    assert left == CONTENT[at : at + len(left)]


async def test_silence_is_the_end_but_what_came_before_it_counts(seen):
    """Send a little, wait until the handler has it, send less than a buffer and fall silent; that comes, too, then an error."""
    async with connected(seen, silence=0.2) as (_, writer):
        writer.write(put() + CONTENT[:100])
        await seen.changed.wait()
        writer.write(CONTENT[100:200_000])
        await writer.drain()
        while seen.error is None:
            await seen.changed.wait()
            seen.changed.clear()
    assert sum(seen.blocks) == 200_000
    assert isinstance(seen.error, TimeoutError)


async def test_slow_handler_holds_its_client_back(seen):
    """Let the handler wait; the client cannot send more than the buffers of both sides hold. Let it go on; all arrives."""
    huge = bytes(64 << 20)
    seen.may_go_on.clear()
    async with connected(seen) as (reader, writer):
        writer.write(put(huge) + huge)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await writer.drain()
        assert writer.transport.get_write_buffer_size() > 32 << 20
        seen.may_go_on.set()
        await writer.drain()
        assert (await answer(reader))[2] == hashlib.sha256(huge).hexdigest()
    assert max(seen.blocks) <= 4 * large_bodies.LARGE_BYTES


async def test_server_that_stops_waits_for_no_body(seen):
    """Stop while a body is under way and does not come; the handler hears of it and may end what it does, nobody cancels it."""
    async with asyncio.timeout(20), contextlib.AsyncExitStack() as client:
        async with serving(seen) as address:
            _, writer = await asyncio.open_connection(*address)
            client.callback(writer.close)
            writer.write(put() + CONTENT[:2_000_000])
            await seen.changed.wait()
        assert isinstance(seen.error, ConnectionError)


async def test_body_of_unknown_length_is_not_for_this_way(seen):
    """Send one in chunks: the handler's mistake is answered as one, and nothing hangs."""
    chunked = b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    async with connected(seen) as (reader, writer):
        writer.write(chunked)
        assert (await answer(reader))[0] == 500


async def test_body_that_ends_as_the_patience_for_a_full_buffer_does_is_whole(seen):
    """Let a part wait for more, send the rest, and keep the loop from running until its time is over: both are due at once; all is whole."""
    content = CONTENT[: large_bodies.LARGE_BYTES + 5]
    async with connected(seen) as (reader, writer):
        for _ in range(5):
            writer.write(put(content) + content[:70_000])
            await passing()
            writer.write(content[70_000:80_000])
            await passing()
            writer.write(content[80_000:])
            threading.Event().wait(0.06)
            assert (await answer(reader))[2] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("size", [large_bodies.LARGE_BYTES, 2 << 20, (2 << 20) + 65_000])
async def test_connection_goes_on_after_a_body_that_was_not_looked_at(seen, size):
    """Refuse before the first block, with all of the body on its way; a second request on the same connection is answered."""
    seen.refuses_at_once = True
    content = CONTENT[:size]
    async with connected(seen) as (reader, writer):
        for _ in range(3):
            writer.write(put(content) + content)
            await writer.drain()
            await passing()
            seen.sent.release()
            status, headers, _ = await answer(reader)
            assert status == 409
            if headers.get("connection") == "close":
                break


async def test_requests_that_wait_for_their_turn_are_not_read_without_end(seen):
    """Hold the handler with the body's last block, send small requests for ever, let it take the block and hold it again; the client is held back."""
    content = CONTENT[: 2 << 20]
    seen.ends_late = True
    seen.may_go_on.clear()
    async with connected(seen) as (reader, writer):
        writer.write(put(content) + content)
        await writer.drain()
        await passing()
        writer.write((b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 1000) * 1500)
        await passing()
        seen.may_go_on.set()
        await seen.whole.wait()
        left = [await held_back(writer) for _ in range(2)]
        assert left[0] == left[1]
        seen.may_end.set()
        assert (await answer(reader))[0] == 200
