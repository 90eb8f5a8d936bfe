"""What the harness itself costs, beside others that start servers for tests: PostgreSQL alone, and three trivial servers.

`python -m benchmarks.overheads postgres` (or `servers`) prints what one process measures, from after its imports on, as JSON.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Mapping

from benchmarks import peers
from benchmarks.figure import Figure
from shakeout.process.supervisor import Supervisor
from shakeout.services.postgres import Postgres
from shakeout.system import boot
from shakeout.system.model import Component, HttpReady, System

RUNS = 5
SERVE = 'exec "$0" -m http.server "$PORT" --bind 127.0.0.1'
SERVER = Component(
    "server",
    argv=("sh", "-c", SERVE, sys.executable),
    environment=lambda place: {"PORT": str(place.port("http"))},
    ports=("http",),
    ready=HttpReady("http", "/"),
    replicas=3,
)
Samples = dict[str, list[float]]


async def figures() -> AsyncGenerator[Figure, None]:  # noqa: RUF029 - as all suites
    """All in turn: ours, then each peer."""
    ours: Samples = {}
    peer: dict[str, Samples] = {name: {} for name in PEERS}
    measured("postgres")  # makes what is kept between runs
    for _ in range(RUNS):
        for what in KINDS:
            add(ours, measured(what))
        for name, as_ordinary_user in PEERS.items():
            add(peer[name], peers.once(f"{name}.py", as_ordinary_user=as_ordinary_user))
    for row in ROWS:
        name, program = row[0], row[3]
        yield Figure(
            *(name, "s", ours[row[1]], row[2]),
            peer_name=row[5],
            peer=peer[program].get(row[4], []),
        )


PEERS = {
    "postgresql_alone": True,
    "testing_postgresql": True,
    "testplan_apps": False,
    "ducktape_service": False,
}
"""Programs, and whether they must not be root."""
ROWS = (
    (
        "PostgreSQL (pytest-postgresql)",
        "boot_s",
        0.25,
        "postgresql_alone",
        "boot_s",
        "pytest-postgresql",
    ),
    (
        "PostgreSQL (testing.postgresql)",
        "boot_s",
        0.25,
        "testing_postgresql",
        "boot_s",
        "testing.postgresql",
    ),
    (
        "the same, from what it keeps",
        "boot_s",
        0.25,
        "testing_postgresql",
        "kept_s",
        "testing.postgresql, kept",
    ),
    ("three servers up (testplan)", "up_s", 0.3, "testplan_apps", "up_s", "testplan"),
    (
        "three servers up (ducktape)",
        "up_s",
        0.3,
        "ducktape_service",
        "up_s",
        "ducktape, without SSH",
    ),
    ("three servers down (testplan)", "down_s", 0.1, "testplan_apps", "down_s", "testplan"),
    (
        "three servers down (ducktape)",
        "down_s",
        0.1,
        "ducktape_service",
        "down_s",
        "ducktape, without SSH",
    ),
)
"""Name, our samples, goal, peer's program, its samples, its name."""


def add(to: Samples, found: Mapping[str, list[float]]) -> None:
    """Append samples by name."""
    for name, samples in found.items():
        to.setdefault(name, []).extend(samples)


def measured(what: str) -> Samples:
    """Run this module as a fresh process."""
    command = (sys.executable, "-m", "benchmarks.overheads", what)
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: Samples = json.loads(ran.stdout)
    return found


async def postgres() -> Samples:
    """From the first line of set-up to the first query answered."""
    began = time.perf_counter()
    async with await Supervisor.open() as supervisor:
        async with await boot.boot(System("alone", services=(Postgres(),)), supervisor):
            return {"boot_s": [time.perf_counter() - began]}


async def servers() -> Samples:
    """Three servers of the standard library: until all of them have answered, and until nothing is left."""
    began = time.perf_counter()
    supervisor = await Supervisor.open()
    cluster = await boot.boot(System("servers", components=(SERVER,)), supervisor)
    up = time.perf_counter()
    await cluster.close()
    await supervisor.close()
    return {"up_s": [up - began], "down_s": [time.perf_counter() - up]}


KINDS = {"postgres": postgres, "servers": servers}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(KINDS[sys.argv[1]]())))
