"""Terminals in a real kernel, without HTTP: what is kept, who waits for whom, what a shell there can and cannot do."""

import asyncio
import contextlib
import os
import pathlib
import subprocess
import sys

import pytest

from quarterdeck.agent.kernels import terminal as terminals
from quarterdeck.agent.kernels.doorway import Entrance
from quarterdeck.agent.kernels.errors import TerminalFailed, TooManyViewers
from quarterdeck.agent.kernels.meter import ProcMeter
from quarterdeck.agent.kernels.terminal import Terminal
from quarterdeck.wire.terminals import Size
from shakeout.waiting.until import until

pytestmark = pytest.mark.usefixtures("mounts")

BY_AN_ORDINARY_USER = """
import os, signal
from quarterdeck.agent.kernels import doorway, linux, namespaces
if os.geteuid() == 0:
    os.setgroups(())
    os.setresgid(12345, 12345, 12345)
    os.setresuid(12345, 12345, 12345)
    linux.prctl(linux.PR_SET_DUMPABLE, 1)  # as whatever such a user starts
main, other = os.openpty()
reading, writing = os.pipe()
zygote = os.fork()
if zygote == 0:
    namespaces.enter_user_namespace(mounts=True)
    kernel = os.fork()
    if kernel == 0:
        namespaces.enter_user_namespace(mounts=False)
        os.write(writing, str(os.getpid()).encode())
        signal.pause()
    os.wait()
    os._exit(0)
kernel = int(os.read(reading, 100))
try:
    doorway.main(other, doorway.Entrance(kernel, "/", {"PS1": ""}))
    os.write(main, b"echo $((40 + 2)).; exit\\n")
    seen = b""
    while b"42." not in seen:
        seen += os.read(main, 1000)
    print("there")
finally:
    os.kill(kernel, signal.SIGKILL)
    os.waitpid(zygote, 0)
"""


@pytest.fixture
def place(workshop, shakeout_runner):
    """A kernel, and the way into it."""
    spec = workshop.spec()
    kernel = shakeout_runner.run(workshop.launcher.spawn(spec, lambda _: None))
    return kernel, Entrance(kernel.pid, f"{spec.directory}/work", spec.environment)


async def shown(terminal):
    return b"".join([piece async for piece in terminal.follow()])


def facts(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":", 1) for line in lines)


async def test_a_shell_has_no_more_rights_than_the_kernel(place):
    kernel, entrance = place
    terminal = await Terminal.open(entrance, Size(10, 60))
    await terminal.write(
        b"grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status; id -u; ulimit -n; exit\n"
    )
    seen = (await shown(terminal)).decode()
    status = facts(kernel.pid)
    for name in ("CapEff", "NoNewPrivs", "Seccomp"):
        assert f"{name}:{status[name].rstrip()}" in seen
    assert f"\r\n{status['Uid'].split()[0]}\r\n" in seen
    assert "\r\n4096\r\n" in seen


def test_ordinary_users_have_shells_in_their_namespaces():
    """There nobody may change his groups. As such a user, make namespaces within each other as a zygote and a kernel do, and have a shell there count."""
    path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.defpath}
    command = [sys.executable, "-c", BY_AN_ORDINARY_USER]
    done = subprocess.run(command, env=path, capture_output=True, text=True, check=False)
    assert done.stdout == "there\n", done.stderr


async def test_a_shell_is_a_child_of_the_kernels_first_process(place, workshop):
    """So it counts as any process of the kernel, and ends with it."""
    kernel, entrance = place
    terminal = await Terminal.open(entrance, Size())
    reading = asyncio.get_running_loop().create_task(shown(terminal))
    await terminal.write(b"echo $PPID.; sleep 600 &\n")
    meter = ProcMeter(workshop.scratch.directory, workshop.launcher.first)
    await until(
        lambda: meter.usage(kernel.id, kernel.pid, 2**30),
        within=5,
        satisfied=lambda used: used is not None and used.threads == 3,
    )
    await workshop.end(kernel)
    async with asyncio.timeout(5):
        assert b"\n1.\r\n" in await reading


async def test_a_slow_viewer_loses_nothing_and_a_late_one_sees_the_end(place, monkeypatch):
    monkeypatch.setattr(terminals, "KEPT_BYTES_MAX", 40_000)
    monkeypatch.setattr(terminals, "AHEAD_BYTES_MAX", 20_000)
    _, entrance = place
    terminal = await Terminal.open(entrance, Size())
    await terminal.write(b"stty -echo; seq 1 50000; exit\n")
    slow = b""
    async for piece in terminal.follow():
        slow += piece
        await asyncio.to_thread(int)
    assert b"".join(b"%d\r\n" % n for n in range(1, 50_001)) in slow
    late = await shown(terminal)
    assert len(late) <= 40_000
    assert slow.endswith(late)


async def test_a_viewer_that_does_not_read_keeps_the_end_of_its_kernel_from_no_other(
    place, workshop
):
    """The shell waits for it, and nobody looks at the terminal. Have one viewer take a piece of much and no more, and end the kernel; the other viewer hears of it."""
    kernel, entrance = place
    terminal = await Terminal.open(entrance, Size())
    async with asyncio.timeout(20), contextlib.aclosing(terminal.follow()) as slow:
        other = asyncio.get_running_loop().create_task(shown(terminal))
        await terminal.write(b"yes much\n")
        await anext(slow)
        await until(lambda: not terminal._reading, within=10)
        await workshop.end(kernel)
        assert b"much\r\nmuch\r\n" in await other
        assert terminal.ended


async def test_viewers_are_bounded(place, monkeypatch):
    monkeypatch.setattr(terminals, "VIEWERS_MAX", 0)
    _, entrance = place
    terminal = await Terminal.open(entrance, Size())
    with pytest.raises(TooManyViewers):
        await shown(terminal)
    terminal.close()
    await until(lambda: terminal.ended, within=5)


async def test_a_kernel_that_is_not_there_has_no_terminal(place):
    _, entrance = place
    with pytest.raises(TerminalFailed):
        await Terminal.open(entrance._replace(pid=2**22 - 1), Size())
    with pytest.raises(TerminalFailed):
        await Terminal.open(entrance._replace(directory="/nowhere"), Size())
