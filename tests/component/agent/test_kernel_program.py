"""Kernels that are a program of their user, isolated and plain: its exit is theirs, and nothing of it remains."""

import asyncio
import os
import signal

import pytest

from quarterdeck.agent.kernels.spec import Exit


async def ended(shop, *command):
    """Run a program in a kernel of its own; return how it ended and what it wrote."""
    kernel = await shop.make(command=command)
    await kernel.gone.wait()
    return shop.exits[kernel.id], kernel.logs().text


@pytest.mark.parametrize("code", [0, 3])
async def test_the_exit_code_is_that_of_the_program(any_workshop, code):
    exit_, written = await ended(any_workshop, "sh", "-c", f"pwd; exit {code}")
    assert exit_ == Exit(code=code)
    assert written.endswith("/work\n")


async def test_a_program_is_killed_by_signals_as_anywhere(any_workshop):
    script = "cat /proc/self/status"
    exit_, written = await ended(any_workshop, "sh", "-c", f"{script}; kill -PIPE $$")
    assert exit_ == Exit(signal=signal.SIGPIPE)
    ignored = next(line for line in written.splitlines() if line.startswith("SigIgn"))
    assert int(ignored.split()[1], 16) == 0


@pytest.mark.parametrize(("program", "code"), [("no-such-program", 127), ("/etc", 126)])
async def test_a_program_that_cannot_be_run_ends_as_in_a_shell(any_workshop, program, code):
    exit_, written = await ended(any_workshop, program)
    assert exit_ == Exit(code=code)
    assert written.startswith(f"{program}: ")


async def test_what_a_program_leaves_behind_ends_with_it(any_workshop, vanished):
    script = "setsid sleep 600 > /dev/null 2>&1 & readlink /proc/self > /dev/null; echo $!"
    kernel = await any_workshop.make(command=("sh", "-c", script))
    async with asyncio.timeout(5):
        await kernel.gone.wait()
    assert kernel.logs().text.strip().isdecimal()
    await vanished(kernel.pid)


async def test_a_program_is_killed_on_request(any_workshop):
    kernel = await any_workshop.make(command=("sleep", "600"))
    await any_workshop.end(kernel)
    with pytest.raises(ProcessLookupError):
        os.kill(kernel.pid, 0)
