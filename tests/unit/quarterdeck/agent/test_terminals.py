"""The terminals of an agent's kernels: one kernel that holds up its shell holds up no other, nor does one viewer keep an end from others."""

import asyncio
import contextlib
import os
import resource
import subprocess

import pytest

from quarterdeck.agent.kernels.doorway import Entrance
from quarterdeck.agent.kernels.errors import TerminalFailed
from quarterdeck.agent.kernels.terminal import Terminal
from quarterdeck.agent.terminals import Terminals
from quarterdeck.base import tasks
from quarterdeck.wire.terminals import Size
from shakeout.waiting.until import until

ROOMY_BYTES = 2**20
LINE = b"x" * 79 + b"\n"


class Shells:
    """Starts terminals without a shell; one of a kernel in `stuck` never starts."""

    def __init__(self):
        self.stuck = {"slow"}
        self.slaves, self.made = [], []

    async def start(self, entrance, _size):
        if entrance.directory in self.stuck:
            await asyncio.Event().wait()
        master, slave = os.openpty()
        self.slaves.append(slave)
        self.made.append(Terminal(master, os.pidfd_open(entrance.pid)))
        return self.made[-1]


@pytest.fixture
def shells(shakeout_runner):
    kept = shakeout_runner.keep(opened())
    yield kept.value
    kept.close()


@contextlib.asynccontextmanager
async def opened():
    """Own shells for the time of a block."""
    made = Shells()
    yield made
    for terminal in made.made:
        terminal.close()
    for slave in made.slaves:
        os.close(slave)


def entrance(kernel):
    return Entrance(os.getpid(), kernel, {})


async def test_a_shell_that_does_not_start_holds_up_no_other_kernel(shells):
    terminals = Terminals(entrance, shells.start)
    waiting = asyncio.get_running_loop().create_task(terminals.open("slow", "t", Size()))
    await tasks.pause(0)
    assert (await terminals.open("other", "t", Size())).new
    assert not waiting.done()
    waiting.cancel()
    await asyncio.wait((waiting,))


async def test_a_shell_that_does_not_start_is_given_up(shells):
    terminals = Terminals(entrance, shells.start, opening_seconds_max=0.0)
    with pytest.raises(TerminalFailed):
        await terminals.open("slow", "t", Size())
    shells.stuck.clear()
    terminals = Terminals(entrance, shells.start)
    assert (await terminals.open("slow", "t", Size())).new
    assert not (await terminals.open("slow", "t", Size())).new


async def test_whoever_types_is_let_go_when_it_closes(shells):
    """Nobody reads: two who type a lot wait, one for the terminal and one for the other, until it is closed."""
    terminal = await shells.start(entrance("k"), Size())
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        typing = [group.create_task(terminal.write(b"x\n" * ROOMY_BYTES)) for _ in range(2)]
        await until(lambda: terminal._typing.locked(), within=5)
        await tasks.pause(0)
        assert not any(one.done() for one in typing)
        terminal.close()


def free():
    """The next descriptor."""
    found = os.open(os.devnull, os.O_RDONLY)
    os.close(found)
    return found


async def test_a_terminal_that_there_is_no_room_for_leaves_nothing(kernel):
    """An agent whose descriptors are used up is to recover. Leave one; nothing is opened, and that one is free again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    only = free()
    resource.setrlimit(resource.RLIMIT_NOFILE, (only + 1, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            await Terminal.open(Entrance(kernel.pid, "k", {}), Size())
        assert free() == only
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def kernel():
    """A process that stands for a kernel's."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


def floods(slave):
    """Write as much as the terminal takes at this moment; return how much that was."""
    os.set_blocking(slave, False)
    written = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            written += os.write(slave, LINE)
    return written


async def fills(terminal, slave):
    """Write until the terminal waits for a viewer; return how much that was."""
    written = floods(slave)

    def more():
        nonlocal written
        written += floods(slave)
        return not terminal._reading

    await until(more, within=5)
    return written


async def seen(terminal):
    return b"".join([piece async for piece in terminal.follow()])


async def test_a_viewer_that_does_not_read_keeps_the_end_of_the_kernel_from_no_other(
    shells, kernel
):
    """The shell waits for it, and nobody reads what it writes. Have one viewer take a piece and no more, and the shell write until it waits; then the kernel ends. The other viewer has all and the end, and so has the first when it reads on."""
    terminal = await shells.start(Entrance(kernel.pid, "k", {}), Size())
    (slave,) = shells.slaves
    async with asyncio.timeout(10), contextlib.aclosing(terminal.follow()) as slow:
        other = asyncio.get_running_loop().create_task(seen(terminal))
        written = floods(slave)
        taken = await anext(slow)
        written += await fills(terminal, slave)
        assert not other.done()
        kernel.kill()
        whole = await other
        assert terminal.ended
        assert len(whole.replace(b"\r", b"")) == written
        assert taken + b"".join([piece async for piece in slow]) == whole


async def test_a_kernel_that_has_ended_leaves_no_terminal_to_be_found_by_its_next_life(
    shells, kernel
):
    """A restart makes a new kernel of the same id. Open a terminal that somebody does not read, end the kernel and open it again in another; it is a new one."""
    lives = [Entrance(kernel.pid, "k", {}), entrance("k")]
    opened = Terminals(lambda _: lives[0], shells.start)
    assert (await opened.open("k", "t", Size())).new
    (slave,), (terminal,) = shells.slaves, shells.made
    async with contextlib.aclosing(terminal.follow()) as slow:
        floods(slave)
        await anext(slow)
        await fills(terminal, slave)
        kernel.kill()
        lives.pop(0)
        await until(lambda: terminal.ended, within=5)
        assert (await opened.open("k", "t", Size())).new
