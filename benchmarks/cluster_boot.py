"""From nothing warm to the first request served, in a process of its own each; then what a boot costs in a warm process.

The peer boots PostgreSQL alone, by pytest-postgresql, in a process of its own, too. `python -m benchmarks.cluster_boot cluster`
(or `services`) prints the seconds of one cold boot, from after the imports of the runner on.
"""

import asyncio
import dataclasses
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

from benchmarks import peers
from benchmarks.figure import Figure
from quarterdeck.testing import tenancy
from quarterdeck.testing.system import system
from shakeout.process.supervisor import Supervisor
from shakeout.system import boot
from shakeout.system.cluster import Cluster
from shakeout.system.model import System, Topology

RUNS = 7
PEER = "pytest-postgresql, PostgreSQL alone"
SERVICES = dataclasses.replace(
    system, components=(), preload=(), leaks=(), tenant="", hints=None, name="services"
)


async def figures() -> AsyncGenerator[Figure, None]:
    """Cold ones in turn with the peer; then warm ones."""
    cluster, services, peer = in_turn()
    yield Figure(
        *("whole cluster, cold", "s", cluster, 1.0),
        floor="three services 0.18-0.24 s, imports about 1 s",
        peer_name=PEER,
        peer=peer,
    )
    yield Figure(
        *("PostgreSQL, Redis and etcd, cold", "s", services, 0.25),
        floor="0.18-0.24 s",
        peer_name=PEER,
        peer=peer,
    )
    yield Figure(
        *("whole cluster, warm process", "s", await warm(), 0.25),
        floor="template clone 10-20 ms, forks",
        peer_name=PEER,
        peer=peer,
    )
    yield Figure(
        *("1 manager 2 agents beside another", "s", await private(), 0.3),
        floor="fork and template clone",
        peer_name=PEER,
        peer=peer,
    )


def in_turn() -> tuple[list[float], list[float], list[float]]:
    """Seconds of cold boots: of the cluster, of its services, of the peer. The first makes what is kept between runs."""
    cold("cluster")
    cluster, services, peer = [], [], []
    for _ in range(RUNS):
        cluster.append(cold("cluster"))
        services.append(cold("services"))
        peer += peers.once("postgresql_alone.py", as_ordinary_user=True).get("boot_s", [])
    return cluster, services, peer


def cold(what: str) -> float:
    """Run this module as a fresh process."""
    command = (sys.executable, "-m", "benchmarks.cluster_boot", what)
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


async def warm() -> list[float]:
    """Seconds of boots of a process that has booted before; nothing else runs."""
    async with await Supervisor.open() as supervisor:
        await supervisor.preload(system.modules())
        await supervisor.preloaded()
        return [await one_more(supervisor, f"c{number}", {}) for number in range(RUNS)]


async def private() -> list[float]:
    """Seconds of boots of one manager and two agents while another cluster runs."""
    async with await Supervisor.open() as supervisor:
        async with await boot.boot(system, supervisor, name="shared"):
            return [
                await one_more(supervisor, f"c{number}", {"agent": 2}) for number in range(RUNS)
            ]


async def one_more(supervisor: Supervisor, name: str, replicas: dict[str, int]) -> float:
    """Seconds from the boot of another cluster to its first request served."""
    began = time.perf_counter()
    async with await boot.boot(
        system, supervisor, name=name, topology=Topology(replicas)
    ) as cluster:
        await serves(cluster)
        return time.perf_counter() - began


async def first_boot(what: str) -> float:
    """Seconds from the first line of set-up to the first request served."""
    chosen, proven = KINDS[what]
    began = time.perf_counter()
    async with await Supervisor.open() as supervisor:
        async with await boot.boot(chosen, supervisor) as cluster:
            await proven(cluster)
            return time.perf_counter() - began


async def serves(cluster: Cluster) -> None:
    """One request through the API."""
    async with tenancy.administrator(cluster) as admin:
        await admin.users.me()


async def answers(_cluster: Cluster) -> None:
    """A boot of services has asked each of them already."""


KINDS: dict[str, tuple[System, Callable[[Cluster], Awaitable[None]]]] = {
    "cluster": (system, serves),
    "services": (SERVICES, answers),
}


if __name__ == "__main__":
    print(asyncio.run(first_boot(sys.argv[1])))
