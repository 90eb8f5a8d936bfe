"""As many real kernels at once as this machine is meant to carry, each a process of its own."""

import asyncio
from pathlib import Path

import pytest

from shakeout.timeline import record

SECONDS_MAX = 60
SESSIONS = 50

pytestmark = pytest.mark.timeout(600)


def private_kib(pid):
    """Memory that a process shares with nobody."""
    table = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in table if line.startswith("Private_"))


@pytest.mark.cluster(agent=7)
async def test_fifty_kernels_run_at_once(private_cluster, user, observe, request):
    """Fifty sessions compute at the same time, each for itself, and all go. Compare results, slots, processes and directories."""

    async def live(number):
        session = await user.sessions.create(slots={"cpu": 1, "memory_mib": 128})
        await session.reaches("RUNNING", within=SECONDS_MAX)
        ran = await session.execute(f"import os\nmine = {number}\nprint(mine)\nos.getpid()")
        assert ran.stdout == f"{number}\n"
        return session

    async with asyncio.TaskGroup() as group:
        made = [group.create_task(live(number)) for number in range(SESSIONS)]
    sessions = [task.result() for task in made]
    kernels = [observe.kernel(session.id) for session in sessions]
    assert sorted(kernels) == observe.live_kernels()
    assert observe.slots_in_use() == (SESSIONS, SESSIONS * 128)
    assert len(observe.scratch()) == SESSIONS
    pids = [pid for kernel in kernels for pid in observe.kernel_pids(kernel)]
    assert len(set(pids)) == len(pids) >= SESSIONS
    memory = sum(map(private_kib, pids)) // SESSIONS
    request.node.user_properties.append(("private_kib_per_session", memory))
    record.note("memory", f"{memory} KiB private per session", sessions=SESSIONS)
    for number, session in enumerate(sessions):
        assert (await session.execute("mine")).result == str(number)
        await session.terminate()
    for session in sessions:
        await session.reaches("TERMINATED", within=SECONDS_MAX)
    assert observe.live_kernels() == []
    assert observe.slots_in_use() == (0, 0)
    assert observe.scratch() == {}
