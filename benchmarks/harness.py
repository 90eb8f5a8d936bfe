"""What a test pays for its own place and for a wait, and how long a killed run lingers."""

import json
import random
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path

from benchmarks import peers, platforms
from benchmarks.figure import Figure
from quarterdeck.testing import tenancy
from quarterdeck.testing.tenancy import User
from shakeout import settings
from shakeout.process import procfs
from shakeout.system.cluster import Cluster

ROUNDS = 5
TENANTS = 10
WAITS = 50
KILLS = 7
BUSY = (sys.executable, "-m", "benchmarks.busy")
WORK_SECONDS = 0.5
PROCESSES_MIN = 10
"""A run with fewer is not the whole platform: its death would prove nothing."""
GRACE_SECONDS = 20.0
LOOK_SECONDS = 0.002
SEED = 7


async def figures() -> AsyncGenerator[Figure, None]:
    """Tenant, wait and kill."""
    async with platforms.in_memory() as cluster:
        yield await tenants(cluster)
        async with platforms.visited(cluster) as user:
            await one_wait(user)
            waits = [await one_wait(user) for _ in range(WAITS)]
        yield Figure(
            *("state change to the wait's return", "ms", waits, 5),
            floor="NOTIFY 0.14 ms; peers poll every 100 ms or more",
        )
    yield Figure(*("runner killed to nothing left", "s", list(kills()), 2))


async def tenants(cluster: Cluster) -> Figure:
    """Users that come and go; in turn with databases that do."""
    ours, peer = [], []
    await tenant(cluster)
    for _ in range(ROUNDS):
        ours += [1000 * await platforms.timed(lambda: tenant(cluster)) for _ in range(TENANTS)]
        peer += peers.once("postgresql_alone.py", as_ordinary_user=True).get("database_ms", [])
    return Figure(
        *("tenant, set up and torn down", "ms", ours, 10),
        floor="a few inserts",
        peer_name="pytest-postgresql, a database",
        peer=peer,
    )


async def tenant(cluster: Cluster) -> None:
    """Come and go."""
    async with tenancy.tenant(cluster, "bench"):
        pass


async def one_wait(user: User) -> float:
    """Milliseconds between the change, by the clock of the database on this machine, and the moment when the waiter has it."""
    session = await user.sessions.create()
    row = await session.reaches("RUNNING", within=30)
    seen = time.time()
    await session.terminate()
    await session.reaches("TERMINATED", within=30)
    return 1000 * (seen - row.at.timestamp())


def kills() -> Iterator[float]:
    """Seconds from SIGKILL of the runner of a busy platform until no process and no directory of its run is left."""
    moments = random.Random(SEED)
    for _ in range(KILLS):
        with subprocess.Popen(BUSY, stdout=subprocess.PIPE, text=True) as runner:
            if runner.stdout is None:
                raise RuntimeError("a pipe was asked for")
            told = json.loads(runner.stdout.readline())
            time.sleep(moments.uniform(0, WORK_SECONDS))
            pids = procfs.tree(runner.pid)
            if len(pids) < PROCESSES_MIN:
                raise RuntimeError(f"the run was not busy: {pids}")
            began = time.perf_counter()
            runner.kill()
            yield gone(told["run"], Path(told["directory"]), pids, began)


def gone(run: str, directory: Path, pids: Sequence[int], began: float) -> float:
    """Wait until nothing of a run is left: none of these processes, none that carries its mark, no directory."""
    while time.perf_counter() < began + GRACE_SECONDS:
        seen = [procfs.stat(pid) for pid in pids]
        alive = any(one and one.alive for one in seen) or directory.exists()
        if not alive and not procfs.marked(settings.RUN, run):
            return time.perf_counter() - began
        time.sleep(LOOK_SECONDS)
    raise RuntimeError(f"{run} is not gone after {GRACE_SECONDS} s")
