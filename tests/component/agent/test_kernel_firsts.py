"""The first process of a kernel's pid namespace: it has nothing, does nothing, adopts orphans, and is the end of all."""

import asyncio
import contextlib
import errno
import os
import resource
import signal
from pathlib import Path

import pytest

from quarterdeck.agent.kernels.errors import KernelNotStarted
from quarterdeck.agent.kernels.firsts import NURSERY
from quarterdeck.agent.kernels.launcher import Launcher
from quarterdeck.agent.kernels.meter import ProcMeter
from quarterdeck.agent.kernels.owners import Owners
from quarterdeck.agent.kernels.rooms import Rooms
from quarterdeck.testing import workshops
from quarterdeck.testing.workshops import execute
from shakeout.process import procfs
from shakeout.skips import Prerequisite, skip
from shakeout.waiting.until import until

pytestmark = pytest.mark.usefixtures("mounts")

DAEMON = """
import os, signal
if os.fork() == 0:
    if os.fork() == 0: signal.pause()
    os._exit(0)
os.wait()[1]
"""

BESIDE = """
import ctypes
libc = ctypes.CDLL(None)
room = ctypes.create_string_buffer(2**16)
top = ctypes.c_void_p(ctypes.addressof(room) + 2**15)
libc.clone(ctypes.cast(libc.pause, ctypes.c_void_p), top, FLAGS, None)
"""
CLONE_PARENT = 0x8000


def stat(pid):
    """A process that lives."""
    found = procfs.stat(pid)
    assert found is not None
    return found


def read(pid, name):
    """A file of a process in /proc."""
    return Path(f"/proc/{pid}/{name}").read_text()


def open_files(pid):
    """The kinds of what a process has open, at a moment when it opens and closes nothing; else nothing."""
    try:
        return {str(one.readlink()).partition(":")[0] for one in Path(f"/proc/{pid}/fd").iterdir()}
    except FileNotFoundError:
        return set()


def place(pid):
    """The pid namespace of a process; none of one that only root may look into, which no kernel can make."""
    with contextlib.suppress(PermissionError):
        return Path(f"/proc/{pid}/ns/pid").readlink()


def children(pid):
    """The children of a process with one thread."""
    return read(pid, f"task/{pid}/children").split()


@pytest.fixture
def as_root():
    """For root alone."""
    if os.geteuid() != 0:
        skip(Prerequisite("root", "nobody else may look into a first process, nor map owners"))


@pytest.mark.usefixtures("as_root")
async def test_it_does_nothing_and_has_nothing_of_its_own(workshop):
    """Its maker's memory, file by file and page by page, and descriptors; of those only the line to the zygote, and a namespace."""
    kernel = await workshop.make()
    first = stat(workshop.launcher.first(kernel.id))
    maker = stat(first.parent)
    assert first.comm == maker.comm == NURSERY
    assert {name: read(first.pid, name) for name in ("maps", "environ")} == {
        name: read(maker.pid, name) for name in ("maps", "environ")
    }
    await until(
        lambda: open_files(first.pid),
        within=5,  # its maker may be making another
        satisfied=lambda kinds: kinds == {"socket", "pid"},
    )
    assert "SigCgt:\t0000000000000000" in read(first.pid, "status")
    assert first.cpu_seconds == 0


async def test_a_kernel_is_the_zygotes_own_child(workshop):
    """One fork makes a kernel: nobody is between."""
    kernel = await workshop.make()
    assert stat(stat(kernel.pid).parent).comm == "qd-zygote"
    assert (await execute(kernel, "import os; os.getpid(), os.getppid()")).result == "(2, 0)"


async def test_nobody_can_be_a_process_beside_its_kernel(workshop):
    """A child of the kernel's own parent, the zygote, is counted by no limit. Try to make one; one of the kernel's own can be made."""
    kernel = await workshop.make()
    code = BESIDE.replace("FLAGS", str(CLONE_PARENT | signal.SIGCHLD))
    assert (await execute(kernel, code)).result == "-1"
    beside = children(stat(kernel.pid).parent)
    assert [one for one in beside if place(one) == place(kernel.pid)] == [str(kernel.pid)]
    own = BESIDE.replace("FLAGS", str(int(signal.SIGCHLD)))
    assert int((await execute(kernel, own)).result) > 0


async def test_orphans_are_reaped_and_children_are_left_to_whoever_waits(workshop):
    """Orphans of hundreds of forks take no room, and each child's own status is there for its parent, also in the same moment."""
    kernel = await workshop.make(processes=20)
    code = """
import os, subprocess
statuses = []
for number in range(300):
    child = os.fork()
    if child == 0:
        if os.fork() == 0: os._exit(9)
        os._exit(number % 100)
    statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
ran = [subprocess.run(["sh", "-c", "true & exit 3"]).returncode for _ in range(50)]
statuses == [number % 100 for number in range(300)], set(ran)
"""
    assert (await execute(kernel, code)).result == "(True, {3})"
    first = workshop.launcher.first(kernel.id)
    await until(lambda: children(first), within=5, satisfied=lambda left: not left)


async def test_orphans_count_also_for_the_next_agent(workshop, tmp_path):
    """A daemon that has left its parents is a process of the kernel. Count before and after another agent has taken over."""
    launcher = Launcher.launch()
    launcher.outlive(tmp_path, 60)
    await launcher.ready()
    spec = workshop.spec()
    kernel = await launcher.spawn(spec, lambda _: None)
    assert (await execute(kernel, DAEMON)).result == "0"
    before = threads(launcher, workshop, kernel)
    launcher.leave()
    later = Launcher.reach(tmp_path)
    assert later is not None
    await later.ready()
    adopted = later.adopt(spec.id, kernel.pid, lambda _: None)
    after = threads(later, workshop, adopted)
    await later.close()
    assert (before, after) == (2, 2)


async def test_no_kernel_is_made_when_nobody_makes_first_processes(workshop, vanished):
    """A zygote without its nursery is of no use. End the nursery; zygote and kernels end, and whoever started them is told."""
    launcher = Launcher.launch()
    await launcher.ready()
    kernel = await launcher.spawn(workshop.spec(), lambda _: None)
    os.kill(stat(launcher.first(kernel.id)).parent, signal.SIGKILL)
    async with asyncio.timeout(5):
        await launcher.died.wait()
    await vanished(kernel.pid)
    await launcher.close()


async def test_what_cannot_be_made_takes_no_owner(tmp_path):
    """A nursery without room for descriptors makes nothing. Ask until it is noticed, then again and again: no uid goes with each try."""
    async with (
        workshops.zygote(isolate=True) as launcher,
        workshops.opened(launcher, tmp_path) as shop,
    ):
        kernel = await shop.make()
        zygote = stat(kernel.pid).parent
        resource.prlimit(stat(launcher.first(kernel.id)).parent, resource.RLIMIT_NOFILE, (2, 4096))
        while await made(shop):
            pass
        before = owners(zygote)
        assert [await made(shop) for _ in range(5)] == [False] * 5
        assert owners(zygote) == before


async def made(shop):
    """Tell whether a kernel could be made."""
    try:
        await shop.make()
    except KernelNotStarted:
        return False
    return True


def owners(zygote):
    """How many namespaces of owners a zygote has open."""
    found = 0
    for one in Path(f"/proc/{zygote}/fd").iterdir():
        with contextlib.suppress(
            FileNotFoundError
        ):  # it tries again, and opens other things for that
            found += str(one.readlink()).startswith("user:")
    return found


def threads(launcher, workshop, kernel):
    """How many threads a kernel has, as the guard counts them."""
    meter = ProcMeter(workshop.scratch.directory, launcher.first)
    used = meter.usage(kernel.id, kernel.pid, 2**30)
    assert used is not None
    return used.threads


class FullOnce(Rooms):
    """Rooms of which the first cannot be had."""

    def __init__(self):
        self.asked = 0

    def take(self):
        self.asked += 1
        if self.asked == 1:
            raise OSError(errno.ENOSPC, "no room")
        return "room"


@pytest.mark.usefixtures("as_root")
def test_owner_for_whom_there_is_no_room_is_the_next_ones():
    """Each lost one would be a uid and a descriptor. Refuse a room once: who comes next is the first of all."""
    owners = Owners(mapped=True, rooms=FullOnce())
    with pytest.raises(OSError, match="no room"):
        owners.take()
    taken, first = owners.take(), Owners(mapped=True).take()
    assert (taken.uid, taken.room) == (first.uid, "room")
    os.close(taken.mapping)
    os.close(first.mapping)
