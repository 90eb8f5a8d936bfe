"""Limits of whole kernels, with real processes: what the operating system refuses, and what the guard sees and ends."""

import asyncio
import os
from pathlib import Path

import pytest

from quarterdeck.agent.errors import IsolationUnsupported
from quarterdeck.agent.guard import Guard
from quarterdeck.agent.inventory.table import Entry
from quarterdeck.agent.kernels import rooms
from quarterdeck.agent.kernels.errors import KernelDied
from quarterdeck.agent.kernels.meter import ProcMeter
from quarterdeck.base import tasks
from quarterdeck.base.clock import SystemClock
from quarterdeck.testing.workshops import execute
from quarterdeck.wire.agents import KernelCreate
from quarterdeck.wire.sessions import Limits, Slots
from shakeout.skips import Prerequisite, skip

LOOK_SECONDS = 0.05


async def guarded(workshop, code, *, memory_mib=512, **limits):
    """Run code in a kernel under guard; return how it ended."""
    request = KernelCreate(
        session="s", image="i", slots=Slots(1, memory_mib), limits=Limits(**limits)
    )
    kernel = await workshop.make(
        memory_bytes=memory_mib * 2**20, processes=request.limits.pids, cores=(0,)
    )
    entry = Entry(kernel.id, request, kernel=kernel)
    meter = ProcMeter(workshop.scratch.directory, workshop.launcher.first)
    guard = Guard(lambda: [] if kernel.exit else [entry], meter, SystemClock())
    async with asyncio.timeout(20), tasks.background() as background:
        background.start(tasks.every(LOOK_SECONDS, guard.look, name="guard"))
        with pytest.raises(KernelDied) as death:
            await execute(kernel, code)
    return death.value.detail


async def test_memory_of_all_processes_counts(any_workshop):
    code = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        kept = bytearray(os.urandom(1) * 2**25)
        time.sleep(60)
time.sleep(60)
"""
    told = await guarded(any_workshop, code, memory_mib=192)
    assert "killed: memory limit 192 MiB" in told


async def test_memory_that_processes_share_counts_once(any_workshop):
    kernel = await any_workshop.make()
    code = """
import os, time
kept = bytearray(os.urandom(1) * 2**27)
for _ in range(5):
    if os.fork() == 0: time.sleep(60)
"""
    assert (await execute(kernel, code)).error is None
    meter = ProcMeter(any_workshop.scratch.directory, any_workshop.launcher.first)
    used = await asyncio.to_thread(meter.usage, kernel.id, kernel.pid, 2**27)
    assert used is not None
    assert 2**27 < used.memory_bytes < 2 * 2**27
    assert used.threads == 6


async def test_a_fork_bomb_meets_the_limit_and_is_ended(workshop):
    code = """
import os
while True:
    try: os.fork()
    except OSError: pass
"""
    assert "killed: process limit 40" in await guarded(workshop, code, pids=40)


async def test_a_program_that_meets_the_limit_once_gets_an_error(workshop):
    kernel = await workshop.make(processes=20)
    code = """
import os, signal, time
children = []
try:
    while True:
        child = os.fork()
        if child == 0: time.sleep(60)
        children.append(child)
except BlockingIOError:
    for child in children: os.kill(child, signal.SIGKILL)
len(children)
"""
    assert (await execute(kernel, code)).result == "19"


async def test_processes_of_one_kernel_take_no_room_from_another(workshop):
    code = """
import os, time
for _ in range(19):
    if os.fork() == 0: time.sleep(60)
"""
    for kernel in (await workshop.make(processes=20), await workshop.make(processes=20)):
        assert (await execute(kernel, code)).error is None


async def test_disk_counts_with_deleted_files_that_are_mapped(any_workshop):
    """Of a mapped file only root can see how large it is: map a page of each; without root all of it."""
    code = f"""
import ctypes, os, time
map = ctypes.CDLL(None).mmap
map.restype, map.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
for _ in range(10):
    file = os.open("gone", os.O_RDWR | os.O_CREAT)
    os.write(file, bytes(2**22))
    os.unlink("gone")
    assert map(None, {2**12 if os.geteuid() == 0 else 2**22}, 1, 1, file, 0) > 0
    os.close(file)
kept = os.open("kept", os.O_RDWR | os.O_CREAT)
os.write(kept, bytes(2**12))
for _ in range(300):  # which stand before them in the list
    assert map(None, 2**12, 1, 1, kept, 0) > 0
time.sleep(60)
"""
    assert "killed: disk limit 20 MiB" in await guarded(any_workshop, code, disk_mib=20)


HIDING = {
    "deeper than any path": "for _ in range(200): os.mkdir('d' * 100); os.chdir('d' * 100)",
    "behind closed doors": "os.makedirs('shut/in'); os.chdir('shut/in')",
    "behind moving doors": """
os.mkdir('a')
if os.fork() == 0:
    while True:
        os.rename('a', 'b'); os.symlink('/', 'a'); os.unlink('a'); os.rename('b', 'a')
while os.path.basename(os.getcwd()) not in ('a', 'b'):
    try: os.chdir('a')
    except OSError: pass
    if os.getcwd() == '/': os.chdir(home)
""",
}


@pytest.mark.parametrize("how", HIDING)
async def test_disk_that_is_hidden_counts(any_workshop, how):
    """What a kernel writes counts wherever it is. Go down where walks by path do not come, close the doors, and fill the disk there."""
    code = f"""
import os
home = os.getcwd()
{HIDING[how]}
file = open("full", "wb", 0)
for door in ("..", "."): os.chmod(door, 0)
while True: file.write(bytes(2**20))
"""
    assert "killed: disk limit 20 MiB" in await guarded(any_workshop, code, disk_mib=20)


async def test_disk_counts_with_deleted_files(any_workshop):
    code = """
import os
file = open("gone", "wb", 0)
os.unlink("gone")
while True: file.write(bytes(2**20))
"""
    assert "killed: disk limit 20 MiB" in await guarded(any_workshop, code, disk_mib=20)


async def test_processor_time_of_children_counts(any_workshop):
    code = """
import subprocess
while True: subprocess.run(["sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"])
"""
    told = await guarded(any_workshop, code, cpu_seconds=1)
    assert "killed: time limit 1 s" in told


async def test_a_demand_that_the_machine_cannot_meet_is_refused(agent, namespaced):
    made = await agent.make()
    assert made.isolation == namespaced.level
    answer = await agent.put(
        "00000000-0000-0000-0000-000000000001", agent.request(isolation="oci")
    )
    assert answer.status == 409
    assert IsolationUnsupported.code.encode() in answer.body


async def test_memory_that_no_process_has_mapped_counts_where_groups_can_be_made(workshop):
    if not workshop.launcher.isolation.rooms:
        skip(Prerequisite("memory control groups", "run the agent as root, or delegate a group"))
    code = """
import os, time
file = os.memfd_create("hidden")
block = os.urandom(2**20)
while True: os.write(file, block)
"""
    assert "killed: memory limit 128 MiB" in await guarded(workshop, code, memory_mib=128)


async def test_a_room_of_memory_is_empty_when_its_kernel_is_gone(workshop):
    kernel = await workshop.make()
    room = rooms.room_of(kernel.pid)
    assert (room is not None) == workshop.launcher.isolation.rooms
    assert room is None or str(kernel.pid) in members(room)
    await workshop.end(kernel)
    assert room is None or str(kernel.pid) not in members(room)


def members(room):
    """The processes in a control group."""
    return Path(room, "cgroup.procs").read_text().split()
