"""Streams of runs: a WebSocket that tells what a run writes as it writes it, from both sides of every break of it."""

import asyncio
import contextlib

import pytest

from quarterdeck.base import ids
from quarterdeck.base.clock import SystemClock
from quarterdeck.client.errors import Refused
from shakeout.waiting.until import until

INTERLEAVED = """\
import sys
for n in range(2000):
    print("out", n)
    print("err", n, file=sys.stderr)
"""
EXPECTED = {
    "stdout": "".join(f"out {n}\n" for n in range(2000)),
    "stderr": "".join(f"err {n}\n" for n in range(2000)),
}
LINE = 2**20
STEPS = "for n in range(6): print('line', n, 'é' * n, input())"
VISITS = 60
DESCRIPTORS_SPARE = 16


async def begun(session, code, **more):
    """A run of code that has begun."""
    started = await session.execute(code, run=ids.new(SystemClock()), wait=0, **more)
    return session.run(started.run)


def in_order(pieces):
    """What both streams have, as it was written."""
    for piece in pieces:
        text, at = {"stdout": piece.stdout, "stderr": piece.stderr}, {"stdout": 0, "stderr": 0}
        order = piece.order or [(kind, len(each)) for kind, each in text.items() if each]
        for kind, length in order:
            yield text[kind][at[kind] : at[kind] + length]
            at[kind] += length


async def rest(stream):
    """All that comes to its end."""
    async with asyncio.timeout(20):
        return [piece async for piece in stream]


async def first_piece(stream):
    """What comes first."""
    async with asyncio.timeout(20), contextlib.aclosing(aiter(stream)) as pieces:
        return await anext(pieces)


async def next_piece(run, offset):
    """What a connection of its own is told first, from an offset on."""
    async with run.stream(offset) as stream:
        return await first_piece(stream)


async def test_output_comes_as_it_is_written(session):
    """Behaviour 3: a long run is told piece by piece, in order. It writes, and waits to be answered: what it wrote is here before it ends."""
    run = await begun(
        session, "print('first')\ninput('go on? ')\nprint('second')\n6 * 7", stdin=True
    )
    seen = []
    async with run.stream() as stream, asyncio.timeout(20):
        async for piece in stream:
            seen.append(piece)
            if piece.question:
                assert "".join(each.stdout for each in seen) == "first\ngo on? "
                assert not piece.finished
                await stream.reply(piece.question.number, "yes")
    assert stream.ended
    assert [piece.finished for piece in seen] == [False] * (len(seen) - 1) + [True]
    assert (seen[-1].status, seen[-1].result) == ("ok", "42")
    assert "".join(each.stdout for each in seen).endswith("second\n")


async def test_streams_keep_their_order_and_their_numbers(session):
    """Both streams come whole, in the order and at the offsets that polling has. Write to both in turn; compare with a look."""
    run = await begun(session, INTERLEAVED)
    async with run.stream() as stream:
        seen = await rest(stream)
    for kind, text in EXPECTED.items():
        assert "".join(getattr(piece, kind) for piece in seen) == text
    polled = await run.look()
    assert "".join(in_order(seen)) == "".join(in_order([polled]))
    assert seen[-1].offset == polled.offset == polled.written == sum(map(len, EXPECTED.values()))
    assert not any(piece.skipped for piece in seen)


async def test_a_line_of_a_megabyte_arrives_whole(session):
    """Nothing is too long for a message. Print a line of 1 MiB of characters of two bytes; it comes in pieces, and once."""
    run = await begun(session, f"print('é' * {LINE - 1})\n'done'")
    async with run.stream() as stream:
        seen = await rest(stream)
    assert "".join(piece.stdout for piece in seen) == "é" * (LINE - 1) + "\n"
    assert max(len(piece.stdout) for piece in seen) <= 2**16
    assert seen[-1].result == "'done'"
    assert [piece.result for piece in seen[:-1]] == [None] * (len(seen) - 1)


async def test_interrupt_goes_by_the_same_socket(session, observe):
    """Behaviour 4: an endless loop is interrupted; it ends with KeyboardInterrupt, its kernel lives."""
    pids = observe.kernel_pids(observe.kernel(session.id))
    run = await begun(session, "import os; os.write(1, b'begun\\n')\nwhile True: pass")
    async with run.stream() as stream, asyncio.timeout(20):
        async for piece in stream:
            if piece.stdout:
                await stream.interrupt()
    assert (piece.status, piece.error.type) == ("error", "KeyboardInterrupt")
    assert (await session.execute("6 * 7")).result == "42"
    assert observe.kernel_pids(observe.kernel(session.id)) == pids


async def test_reconnecting_is_exact_at_every_moment(session):
    """A connection may break anywhere. Break it after each piece and at odd offsets, go on from there: the bytes are those of one connection."""
    run = await begun(session, STEPS, stdin=True)
    text, piece = "", None
    while piece is None or not piece.finished:
        piece = await next_piece(run, piece.offset if piece else 0)
        text += piece.stdout
        if piece.question:
            await run.reply(piece.question.number, "x")
    shown = (await run.look()).stdout
    assert text == shown
    assert [f"line {n} {'é' * n} x" for n in range(6)] == [
        line for line in shown.splitlines() if line.startswith("line")
    ]
    for at in range(0, len(shown) + 1, 7):
        async with run.stream(at) as stream:
            assert "".join(piece.stdout for piece in await rest(stream)) == shown[at:]
            assert stream.ended


async def test_two_sockets_are_told_the_same(session):
    """Who looks on takes nothing away. Two sockets on one run, one of them late: both have all of it."""
    run = await begun(session, "print('a'); input(); print('b')", stdin=True)
    async with run.stream() as first:
        piece, early = await next_piece(run, 0), []
        async with run.stream() as second:
            await second.reply(1, "")
            early, late = await rest(first), await rest(second)
    assert piece.stdout == "a\n"
    assert "".join(p.stdout for p in early) == "".join(p.stdout for p in late)
    assert early[-1].status == late[-1].status == "ok"


async def test_disconnecting_leaves_the_run_and_nothing_else(session, admin, observe):
    """Behaviour 18: hanging up leaks no task and no socket, in manager and agent, and the run does not notice. Connect and hang up 60 times."""
    run = await begun(session, "print('up'); print(input())", stdin=True)
    before = await admin.diagnostics()
    sockets = [len(observe.descriptors(name)) for name in ("manager", "agent")]
    for number in range(VISITS):
        async with run.stream() as stream:
            if number % 2:
                await first_piece(stream)
            if number % 3 == 0:
                stream._socket._socket._response.connection.transport.abort()
    await until(
        admin.diagnostics,
        within=20,
        satisfied=lambda now: now.tasks < before.tasks + VISITS // 4,
    )
    await until(
        lambda: [len(observe.descriptors(name)) for name in ("manager", "agent")],
        within=20,
        satisfied=lambda now: all(
            n < b + DESCRIPTORS_SPARE for n, b in zip(now, sockets, strict=True)
        ),
    )
    seen = await run.look()
    assert (seen.status, seen.stdout) == ("waiting-input", "up\n")
    await run.reply(1, "still there")
    async with run.stream(seen.offset) as stream:
        assert "still there\n" in "".join(piece.stdout for piece in await rest(stream))


async def test_reader_who_is_slow_holds_up_nobody(session, observe):
    """A reader's slowness is its own. Leave a stream of 8 MiB unread: the run ends, others run, and the rest says how much is lost."""
    run = await begun(session, f"for _ in range(8): print('x' * ({LINE} - 1))")
    async with run.stream() as slow:
        async with asyncio.timeout(20):
            while not (await run.look(2**40, wait=1)).finished:
                pass
        assert (await session.execute("6 * 7")).result == "42"
        seen = await rest(slow)
    assert slow.ended
    assert sum(len(piece.stdout) + piece.skipped for piece in seen) == seen[-1].written


async def test_manager_that_restarts_costs_no_output(private_cluster, user):
    """A stream is taken up again at another manager's. Restart it between two lines; both come, once."""
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=10)
    run = await begun(session, "print('one'); input(); print('two')", stdin=True)
    async with run.stream() as stream, asyncio.timeout(30):
        async for piece in stream:
            if piece.question:
                await private_cluster.restart("manager")
    assert not stream.ended
    await run.reply(1, "")
    async with run.stream(stream.offset) as again:
        seen = await rest(again)
    assert "".join(piece.stdout for piece in seen).endswith("two\n")
    assert "one" not in "".join(piece.stdout for piece in seen)


async def test_stream_ends_with_its_kernel(session):
    """A run whose kernel ends has an outcome, too. Terminate the session under a stream."""
    run = await begun(session, "print('up'); input()", stdin=True)
    seen = []
    async with run.stream() as stream, asyncio.timeout(20):
        async for piece in stream:
            seen.append(piece)
            if piece.question:
                await session.terminate()
    assert seen[-1].status == "error"
    assert seen[-1].error.type == "KernelTerminated"
    assert stream.ended


async def test_what_makes_no_sense_is_refused(session, other_user):
    """A run that is not there, another user's, a reply that nobody asked for, and no message at all: each says so, and the run goes on."""
    run = await begun(session, "print('up'); print(input())", stdin=True)
    for handle, code in (
        (session.run(ids.new(SystemClock())), "run-not-found"),
        (
            type(session)(other_user.sessions._transport, session.view).run(run.id),
            "session-not-found",
        ),
    ):
        with pytest.raises(Refused) as refused:
            async with handle.stream():
                pass
        assert (refused.value.status, refused.value.code) == (404, code)
    async with run.stream() as stream:
        await stream.reply(7, "no")
        with pytest.raises(Refused) as refused:
            await rest(stream)
    assert refused.value.code == "input-not-wanted"
    async with run.stream() as stream:
        await stream._socket.send('{"reply": 1}')
        await rest(stream)
        assert stream._socket.end_code == 4400
    await run.reply(1, "alive")
    async with run.stream() as stream:
        assert "alive\n" in "".join(piece.stdout for piece in await rest(stream))
