"""Kernels that outlive their agent: a zygote waits for the next one and gives it all that it holds, in both kinds of isolation."""

import asyncio
import contextlib
import os
import signal
import socket
from pathlib import Path

import pytest

from quarterdeck.agent.kernels.errors import AgentLeft
from quarterdeck.agent.kernels.launcher import Launcher
from quarterdeck.agent.kernels.scratch import Scratch
from quarterdeck.agent.kernels.spec import Exit
from quarterdeck.base import ids, tasks
from quarterdeck.base.clock import SystemClock
from quarterdeck.testing import workshops
from quarterdeck.testing.workshops import execute
from quarterdeck.wire.executions import Complete, Execute, Input
from shakeout.process import procfs
from shakeout.waiting.until import until

pytestmark = pytest.mark.parametrize("isolate", [True, False], ids=["isolated", "plain"])

FOREVER = 60.0


@pytest.fixture
def place(tmp_path):
    """A directory for the socket, with a long name."""
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    return deep


class Lives:
    """One agent after the other: what a launcher does of an agent's life."""

    def __init__(self, isolate, place):
        self._isolate, self._place = isolate, place
        self.pid = 0

    @contextlib.asynccontextmanager
    async def first(self, room, *, orphan_seconds=FOREVER):
        """The first agent and its workshop; it ends without a word."""
        launcher = Launcher.launch(isolate=self._isolate)
        launcher.outlive(self._place, orphan_seconds)
        await launcher.ready()
        self.pid = launcher.pid
        yield workshops.Workshop(launcher, Scratch.open(room))
        launcher.leave()

    @contextlib.asynccontextmanager
    async def next(self, *, last=True):
        """An agent after it."""
        launcher = Launcher.reach(self._place)
        assert launcher is not None
        await launcher.ready()
        yield launcher
        if last:
            await launcher.close()
        else:
            launcher.leave()


@pytest.fixture
def lives(isolate, place):
    return Lives(isolate, place)


async def test_the_next_agent_goes_on_with_a_kernel(lives, tmp_path):
    exits: list[Exit] = []
    async with lives.first(tmp_path / "s") as shop:
        kernel = await shop.make()
        await execute(kernel, "import os\nx = 41")
        pid = kernel.pid
    for last in (False, True):
        async with lives.next(last=last) as launcher:
            assert set(launcher.held()) == {kernel.id}
            again = launcher.adopt(kernel.id, pid, exits.append)
            assert launcher.held() == ()
            done = await execute(again, "x += 1\nprint(x)\nos.getppid()")
            assert done.stdout == ("43\n" if last else "42\n")
            assert again.pid == pid
    assert exits == [Exit()]
    assert Launcher.reach(lives._place) is None


async def test_agent_that_dies_while_it_takes_over_costs_no_kernel(lives, tmp_path):
    """While code runs the second agent asks the kernel for what it has to say, and dies before it is told: the third hears that answer first."""
    async with lives.first(tmp_path / "s") as shop:
        kernel = await shop.make()
        code = "import os, time\nopen('on', 'w').close()\nwhile os.path.exists('on'): time.sleep(0.001)\nx = 41"
        mark = shop.scratch.directory(kernel.id) / "work" / "on"
        async with asyncio.TaskGroup() as group:
            group.create_task(_outcome(execute(kernel, code)))
            await until(mark.exists, within=5)
            shop.launcher.leave()
    async with lives.next(last=False) as launcher:
        launcher.adopt(kernel.id, kernel.pid, print)
    async with lives.next() as launcher:
        again = launcher.adopt(kernel.id, kernel.pid, print)
        mark.unlink()
        assert (await execute(again, "x + 1")).result == "42"
        assert (await execute(again, "x + 2")).result == "43"


async def test_code_goes_on_and_what_comes_next_comes_after_it(lives, tmp_path):
    """The agent goes while code runs that prints a lot and answers at length; the next one has its own code run, and only that."""
    async with lives.first(tmp_path / "s") as shop:
        kernel = await shop.make()
        code = (
            "import os, time\nopen('on', 'w').close()\nwhile os.path.exists('on'): time.sleep(0.001)\n"
            "print('early')\nx = 1\n'r' * 500_000"
        )
        mark = shop.scratch.directory(kernel.id) / "work" / "on"
        async with asyncio.TaskGroup() as group:
            running = group.create_task(_outcome(execute(kernel, code)))
            await until(mark.exists, within=5)
            shop.launcher.leave()
        assert isinstance(running.result(), AgentLeft)
    async with lives.next() as launcher:
        again = launcher.adopt(kernel.id, kernel.pid, print)
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(execute(again, "print('late')\nx"))
            await tasks.pause(0)
            mark.unlink()
        assert (asked.result().stdout, asked.result().result) == ("late\n", "1")
        assert again.logs().text == "early\nlate\n"


async def test_an_end_between_two_agents_is_told_to_the_next_with_its_code(lives, tmp_path):
    exits: list[Exit] = []
    async with lives.first(tmp_path / "s") as shop:
        ends, stays = await shop.make(), await shop.make()
        pid = ends.pid
        handle = os.pidfd_open(pid)
    os.kill(pid, signal.SIGTERM if lives._isolate else signal.SIGKILL)
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(handle, over.set)
    await over.wait()
    loop.remove_reader(handle)
    os.close(handle)
    for last in (False, True):
        async with lives.next(last=last) as launcher:
            if not last:
                await until(lambda: launcher._held[ends.id].exit is not None, within=5)
                launcher.adopt(ends.id, pid, exits.append)
            assert stays.id in launcher.held()
            assert ends.id not in launcher.held()
    assert exits[0].signal == (signal.SIGTERM if lives._isolate else signal.SIGKILL)


async def test_an_end_is_told_until_an_agent_has_taken_it(lives, tmp_path, vanished):
    """Agents come and go before they have written down how a kernel ended: none of them takes that with it."""
    exits: list[Exit] = []
    async with lives.first(tmp_path / "s") as shop:
        kernel = await shop.make()
        await execute(kernel, "import signal; signal.signal(signal.SIGTERM, signal.SIG_DFL)")
    os.kill(kernel.pid, signal.SIGTERM)
    for _ in range(2):
        async with lives.next(last=False) as launcher:
            await until(lambda: launcher._held[kernel.id].exit is not None, within=5)
    async with lives.next(last=False) as launcher:
        await until(lambda: launcher._held[kernel.id].exit is not None, within=5)
        assert launcher.adopt(kernel.id, kernel.pid, exits.append) is not None
    assert exits == [Exit(signal=signal.SIGTERM)]
    await vanished(lives.pid)


async def test_an_end_that_nobody_wants_is_forgotten_with_the_kernel(lives, tmp_path, vanished):
    async with lives.first(tmp_path / "s") as shop:
        kernel = await shop.make()
    os.kill(kernel.pid, signal.SIGKILL)
    async with lives.next(last=False) as launcher:
        await until(lambda: launcher._held[kernel.id].exit is not None, within=5)
        await launcher.kill(kernel.id)
        assert launcher.held() == ()
    await vanished(lives.pid)


async def test_without_another_agent_all_ends_in_time(lives, tmp_path, vanished):
    async with lives.first(tmp_path / "s", orphan_seconds=0.2) as shop:
        kernel = await shop.make()
    await vanished(kernel.pid)
    await vanished(lives.pid)
    assert not list(lives._place.iterdir())


async def test_an_agent_that_returns_in_time_stops_the_clock(lives, tmp_path):
    async with lives.first(tmp_path / "s", orphan_seconds=0.5) as shop:
        kernel = await shop.make()
    async with lives.next() as launcher:
        again = launcher.adopt(kernel.id, kernel.pid, print)
        await tasks.pause(0.7)
        assert (await execute(again, "6 * 7")).result == "42"


async def test_a_zygote_that_nobody_can_find_ends(lives, tmp_path, vanished):
    async with lives.first(tmp_path / "s") as shop:
        kernel = await shop.make()
        for path in lives._place.iterdir():
            path.unlink()
    await vanished(kernel.pid)
    await vanished(lives.pid)


async def test_an_agent_without_kernels_leaves_nothing(lives, tmp_path, vanished):
    async with lives.first(tmp_path / "s"):
        pass
    await vanished(lives.pid)


async def test_a_kernel_is_not_let_in(lives, tmp_path):
    """A kernel that finds the socket cannot be the agent: it is shown the door."""
    async with lives.first(tmp_path / "s") as shop:
        kernel = await shop.make()
        path = f"/proc/self/fd/{{}}/{'zygote.sock'}"
        code = (
            "import os, socket\n"
            f"try:\n d = os.open({str(lives._place)!r}, os.O_RDONLY)\n"
            " s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
            f" s.connect({path!r}.format(d))\n got = s.recv(100)\n"
            "except OSError as error:\n got = b''\ngot"
        )
        assert (await execute(kernel, code)).result == "b''"
        assert (await execute(kernel, "6 * 7")).result == "42"
        await shop.launcher.close()
        shop.scratch.close()


async def test_the_descriptors_of_a_kernel_are_its_own(lives, tmp_path):
    """What the zygote keeps of one kernel is not in another."""
    async with lives.first(tmp_path / "s") as shop:
        kernels = [await shop.make() for _ in range(8)]
        code = "import os\nsum(os.path.exists(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd'))"
        counts = {(await execute(kernel, code)).result for kernel in kernels}
        assert len(counts) == 1
        supervisors = [parent(one.pid) for one in kernels if not shop.launcher.first(one.id)]
        assert len(set(map(open_files, supervisors))) <= 1
        await shop.launcher.close()


async def test_a_stranger_in_place_of_a_zygote_is_none(lives, place):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
        directory = os.open(place, os.O_RDONLY)
        stranger.bind(f"/proc/self/fd/{directory}/zygote.sock")
        os.close(directory)
        assert Launcher.reach(place) is None


def parent(pid):
    """The parent of a kernel, from /proc."""
    found = procfs.stat(pid)
    assert found is not None
    return found.parent


def open_files(pid):
    """How many descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def _outcome(work):
    """The error of some work, or its result."""
    try:
        return await work
    except AgentLeft as error:
        return error


async def test_a_run_is_found_again_by_the_next_agent_with_its_outcome(lives, tmp_path):
    """The agent goes while code waits for input; the next one knows the run by its id, is asked, answers, and has all that came since."""
    id_ = ids.new(SystemClock())
    code = "print('early')\nname = input()\nprint('late', name)\nname"
    async with lives.first(tmp_path / "s") as shop:
        kernel = await shop.make()
        first = kernel.start(Execute(code, run=id_, stdin=True))
        await until(lambda: first.asks, within=5)
        shop.launcher.leave()
        assert isinstance(first.failure, AgentLeft)
    async with lives.next() as launcher:
        again = launcher.adopt(kernel.id, kernel.pid, print)
        run = again.start(Execute(code, run=id_, stdin=True))
        await until(lambda: run.asks, within=5)
        again.reply(id_, Input(1, "Ada"))
        await until(lambda: run.ended, within=5)
        told = run.report()
        assert (told.status, told.stdout, told.result) == ("ok", "late Ada\n", "'Ada'")
        assert told.truncated
        assert (await execute(again, "name")).result == "'Ada'"


@pytest.mark.parametrize("ends", [True, False], ids=["ends", "hangs"])
async def test_a_completion_that_an_earlier_agent_asked_for_is_in_nobodys_way(
    lives, tmp_path, ends
):
    """The agent goes while the kernel looks for names. Whether that ends or hangs, the next agent goes on with the kernel, and its code runs."""
    async with lives.first(tmp_path / "s") as shop:
        kernel = await shop.make()
        mark = shop.scratch.directory(kernel.id) / "work" / "on"
        await execute(
            kernel,
            "import os, time\nclass Slow:\n    def __dir__(self):\n        open('looks', 'w').close()\n"
            "        while not os.path.exists('on'): time.sleep(0.01)\n        return ['x']\nslow = Slow()",
        )
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(_outcome(kernel.complete(Complete("slow."))))
            await until(mark.with_name("looks").exists, within=5)
            shop.launcher.leave()
        assert isinstance(asked.result(), AgentLeft)
    async with lives.next() as launcher:
        exits: list[Exit] = []
        again = launcher.adopt(kernel.id, kernel.pid, exits.append)
        if ends:
            mark.touch()
        assert (await execute(again, "6 * 7")).result == "42"
        assert (await again.complete(Complete("slo"))).matches == ("slow",)
        assert exits == []


async def test_an_answer_that_the_earlier_agent_did_not_take_is_not_lost(lives, tmp_path):
    id_ = ids.new(SystemClock())
    code = "import os\nopen('on', 'w').close()\nwhile os.path.exists('on'): pass\nprint('done')\n7"
    async with lives.first(tmp_path / "s") as shop:
        kernel = await shop.make()
        mark = shop.scratch.directory(kernel.id) / "work" / "on"
        kernel.start(Execute(code, run=id_))
        await until(mark.exists, within=5)
        shop.launcher.leave()
    mark.unlink()
    await until(lambda: b" run " not in Path(f"/proc/{kernel.pid}/cmdline").read_bytes(), within=5)
    async with lives.next() as launcher:
        again = launcher.adopt(kernel.id, kernel.pid, print)
        assert (await execute(again, "1")).result == "1"
        told = again.run(id_).report()
        assert (told.status, told.stdout, told.result) == ("ok", "done\n", "7")
        assert (await execute(again, Execute(code, run=id_))).result == "7"
