"""Terminals: a shell in a session through a WebSocket, from both sides of every break of it."""

import asyncio
import contextlib

import pytest

from quarterdeck.client.errors import Refused
from quarterdeck.wire import terminals
from shakeout.waiting.until import until

READY = b"stty -echo; PS1=; echo re''ady\n"


async def read_to(terminal, mark):
    """Read until something has come; return all that came."""
    seen = b""
    async with asyncio.timeout(10), contextlib.aclosing(aiter(terminal)) as pieces:
        async for piece in pieces:
            seen += piece
            if mark in seen:
                return seen
    raise AssertionError(f"the terminal closed without {mark!r}: {seen!r}")


@contextlib.asynccontextmanager
async def quiet(session, name="main", **size):
    """A terminal that echoes nothing and shows no prompt."""
    async with session.terminal(name, **size) as terminal:
        await terminal.type(READY)
        await read_to(terminal, b"ready\r\n")
        yield terminal


async def test_terminal_is_typed_in_resized_and_taken_up_again(session, observe):
    """Behaviour 17: after resizing, typing and reconnecting the output is whole. Compare bytes, /proc and what a second connection sees."""
    kernel = observe.kernel(session.id)
    before = observe.kernel_pids(kernel)
    async with quiet(session, rows=30, columns=100) as terminal:
        await terminal.type(b"stty size\n")
        await read_to(terminal, b"30 100\r\n")
        await terminal.resize(50, 132)
        await terminal.type(b"stty size; pwd; echo kept > note\n")
        assert f"{kernel}/work".encode() in await read_to(terminal, b"/work\r\n")
        (shell,) = set(observe.kernel_pids(kernel)) - set(before)
        await terminal.type(b"seq 1 20000; echo e''nd\n")
        expected = "".join(f"{n}\r\n" for n in range(1, 20001)).encode()
        assert expected + b"end\r\n" in await read_to(terminal, b"end\r\n")
    async with session.terminal(rows=50, columns=132) as again:
        await again.type(b"echo a''gain; stty size\n")
        seen = await read_to(again, b"again\r\n50 132\r\n")
        assert expected[-100_000:] + b"end\r\n" in seen
    assert shell in observe.kernel_pids(kernel)
    assert (await session.execute("open('note').read()")).result == r"'kept\n'"
    assert observe.mounts(shell) == observe.mounts(before[0])
    assert observe.limit(shell, "Max address space") == observe.limit(
        before[0], "Max address space"
    )
    assert observe.history(session.id)[-1] == ("CREATING", "RUNNING")


async def test_bytes_come_as_they_are(session):
    """Nothing is interpreted on the way. Have every byte value printed on a raw terminal."""
    async with quiet(session) as terminal:
        await terminal.type(
            b"stty raw; python3 -c \"import os; os.write(1, bytes(range(256)) * 400)\"; echo e''nd\n"
        )
        seen = await read_to(terminal, b"end\n")
        assert bytes(range(256)) * 400 in seen


async def test_two_connections_see_the_same(session):
    """Two look at one terminal: what one types both see."""
    async with quiet(session) as first, session.terminal() as second:
        await first.type(b"echo b''oth\n")
        for terminal in (first, second):
            await read_to(terminal, b"both\r\n")


async def test_who_comes_when_many_look_is_told_to_come_later(session):
    """One more than may look breaks nothing. Look nine times; the last is closed with that code, and the first goes on."""
    async with quiet(session) as first, contextlib.AsyncExitStack() as others:
        for _ in range(7):
            await others.enter_async_context(session.terminal())
        async with session.terminal() as ninth:
            assert b"".join([piece async for piece in ninth]) == b""
            assert ninth._socket.end_code == terminals.LATER
        await first.type(b"echo on''wards\n")
        await read_to(first, b"onwards\r\n")


async def test_shell_that_ends_says_so_and_another_begins(session, observe):
    """`exit` ends the terminal, not the session. Leave the shell, open the name again; the old process is gone."""
    kernel = observe.kernel(session.id)
    before = set(observe.kernel_pids(kernel))
    async with quiet(session) as terminal:
        await terminal.type(b"exit\n")
        async for _ in terminal:
            pass
        assert terminal.ended
    await until(lambda: set(observe.kernel_pids(kernel)) == before, within=5)
    async with quiet(session):
        assert len(set(observe.kernel_pids(kernel)) - before) == 1
    await session.close_terminal()
    await until(lambda: set(observe.kernel_pids(kernel)) == before, within=5)


async def test_terminal_ends_with_its_session(session, observe):
    """Nothing outlives the kernel. Terminate with a terminal open and a job in its background; look in /proc."""
    async with quiet(session) as terminal:
        await terminal.type(b"sleep 600 &\n")
        await session.terminate()
        async for _ in terminal:
            pass
    await session.reaches("TERMINATED", within=10)
    assert observe.live_kernels(session.id) == []
    with pytest.raises(Refused) as refused:
        async with session.terminal():
            pass
    assert refused.value.code == "session-not-running"


async def test_terminals_are_bounded_and_others_do_not_exist(session, other_user):
    """Eight names are enough for a kernel, and a session of another has none."""
    for number in range(8):
        async with session.terminal(f"t{number}"):
            pass
    with pytest.raises(Refused) as refused:
        async with session.terminal("more"):
            pass
    assert refused.value.code == "too-many-terminals"
    theirs = type(session)(other_user.sessions._transport, session.view)
    with pytest.raises(Refused) as refused:
        async with theirs.terminal():
            pass
    assert refused.value.code == "session-not-found"


@pytest.mark.parametrize("name", ["No Name", "n" * 72])
async def test_names_are_names(session, name):
    """A bad name is refused by field before anything is opened."""
    with pytest.raises(Refused) as refused:
        async with session.terminal(name):
            pass
    assert (refused.value.code, refused.value.field) == ("invalid-field", "name")
