"""Sessions that take all they can get: they harm themselves alone, and are told why they ended."""

import asyncio
import os
import signal
from contextlib import asynccontextmanager

import pytest

from quarterdeck.client.errors import Refused
from quarterdeck.testing import kernels
from shakeout.process import procfs

AGENT_GROWTH_BYTES_MAX = 64 * 2**20
ANSWERS = 5

FORK_BOMB = """
import os
while True:
    try: os.fork()
    except OSError: pass
"""
MEMORY_BOMB = """
import os, time
for _ in range(16):
    if os.fork() == 0:
        kept = bytearray(os.urandom(1) * 2**26)
        time.sleep(60)
time.sleep(60)
"""
DISK_FILLER = """
import time
for number in range(4):
    with open(f"file-{number}", "wb", 0) as file:
        for _ in range(32): file.write(bytes(2**20))
time.sleep(60)
"""
FILE_FILLER = """
import itertools
for number in itertools.count(): open(f"file-{number}", "w").close()
"""
CPU_HOG = """
import os
for _ in range(30):
    if os.fork() == 0:
        while True: pass
while True: pass
"""
OUTPUT_FLOOD = """
import os, time
end = time.monotonic() + 3
while time.monotonic() < end: os.write(1, b"x" * 2**20)
"""
DESCRIPTOR_FLOOD = """
import os, time
kept = []
try:
    while True: kept.append(os.open("/dev/null", os.O_RDONLY))
except OSError as error:
    told = error.errno
for _ in range(20):
    if os.fork() == 0: time.sleep(2); os._exit(0)
told
"""

FORGED_MESSAGE = """
import os, stat, time
for name in os.listdir("/proc/self/fd"):
    at = f"/proc/self/fd/{name}"
    if int(name) > 2 and os.path.exists(at) and stat.S_ISSOCK(os.fstat(int(name)).st_mode):
        os.write(int(name), bytes([3]) + b'{"said": "\\\\u0000"}')
time.sleep(60)
"""


@pytest.fixture
def agent(cluster):
    """The pid of the agent."""
    return cluster.process("agent").pid


@asynccontextmanager
async def under_attack(user, code, **given):
    """A session that attacks as long as the block lasts, and the task that waits for its answer."""
    session = await user.sessions.create(**given)
    await session.reaches("RUNNING", within=10)
    async with asyncio.TaskGroup() as group:
        attack = group.create_task(outcome(session.execute(code)))
        yield session, attack
        await session.terminate()


async def outcome(work):
    """What came of some work, an error too."""
    try:
        return await work
    except Refused as refusal:
        return refusal


def resident(pid):
    """The memory of a process."""
    seen = procfs.stat(pid)
    assert seen is not None
    return seen.resident_bytes


@pytest.mark.parametrize(
    ("code", "given", "words"),
    [
        (FORK_BOMB, {"limits": {"pids": 40}}, "killed: process limit 40"),
        (MEMORY_BOMB, {"slots": {"cpu": 1, "memory_mib": 256}}, "killed: memory limit 256 MiB"),
        (DISK_FILLER, {"limits": {"disk_mib": 64}}, "killed: disk limit 64 MiB"),
        (FILE_FILLER, {"limits": {"disk_mib": 4}}, "killed: disk limit 4 MiB"),
        (CPU_HOG, {"limits": {"cpu_seconds": 1}}, "killed: time limit 1 s"),
    ],
    ids=["fork-bomb", "memory-bomb", "disk-filler", "file-filler", "cpu-hog"],
)
async def test_an_attack_ends_its_own_session_with_the_reason(
    session, other_user, observe, agent, *, code, given, words
):
    """Acceptance 4: what takes all harms itself alone. Attack beside another session, which answers; look at agent, slots, words."""
    before = resident(agent)
    async with under_attack(other_user, code, **given) as (attacker, _):
        for _ in range(ANSWERS):
            assert (await session.execute("6 * 7")).result == "42"
        await attacker.reaches("TERMINATED", within=30)
    assert words in (await attacker.refresh()).detail
    assert resident(agent) - before < AGENT_GROWTH_BYTES_MAX
    assert observe.slots_in_use(attacker.id) == (0, 0)
    assert observe.live_kernels(attacker.id) == []
    assert (await session.execute("6 * 7")).result == "42"


@pytest.mark.parametrize("code", [OUTPUT_FLOOD, DESCRIPTOR_FLOOD], ids=["output", "descriptors"])
async def test_a_flood_is_bounded_and_the_session_goes_on(
    session, other_user, agent, cluster, *, code
):
    """Acceptance 4: floods fill nobody's memory. Flood beside another session, which answers; the agent does not grow."""
    before = resident(agent)
    async with under_attack(other_user, code) as (attacker, attack):
        for _ in range(ANSWERS):
            assert (await session.execute("6 * 7")).result == "42"
        done = await attack
        assert done.error is None, done.error
        assert len(kernels.processes(cluster)) < 60
        assert (await attacker.execute("1 + 1")).result == "2"
        assert len((await attacker.logs()).encode()) <= 2**21
    assert resident(agent) - before < AGENT_GROWTH_BYTES_MAX


async def test_last_words_keep_nobody_alive(user, other_user, observe):
    """What code has its agent say of its end is believed to be anything. Forge a message with what no database takes; that session ends, and so does another whose kernel is killed."""
    other = await other_user.sessions.create()
    await other.reaches("RUNNING", within=10)
    async with under_attack(user, FORGED_MESSAGE) as (attacker, _):
        await attacker.reaches("TERMINATED", within=10)
        os.kill(observe.kernel_pids(observe.kernel(other.id))[0], signal.SIGKILL)
        await other.reaches("TERMINATED", within=10)
    assert "wrote to its control channel" in (await attacker.refresh()).detail
    assert (await other.refresh()).reason == "self-terminated"
    assert observe.slots_in_use(attacker.id) == (0, 0)
