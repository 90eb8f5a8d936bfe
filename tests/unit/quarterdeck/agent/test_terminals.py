"""The terminals of an agent's kernels: one kernel that holds up its shell holds up no other."""

import asyncio
import contextlib
import os

import pytest

from quarterdeck.agent.kernels.doorway import Entrance
from quarterdeck.agent.kernels.errors import TerminalFailed
from quarterdeck.agent.kernels.terminal import Terminal
from quarterdeck.agent.terminals import Terminals
from quarterdeck.base import tasks
from quarterdeck.wire.terminals import Size
from shakeout.waiting.until import until

ROOMY_BYTES = 2**20


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
        self.made.append(Terminal(master))
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
    return Entrance(1, kernel, {})


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
