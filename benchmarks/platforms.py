"""The platform under measurement: a fresh cluster, in memory or durable on a disk, and users in it."""

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from benchmarks import machine
from quarterdeck.testing import system, tenancy
from quarterdeck.testing.tenancy import User
from shakeout import settings
from shakeout.process.supervisor import Supervisor
from shakeout.system import boot
from shakeout.system.cluster import Cluster


@contextlib.asynccontextmanager
async def in_memory(*wanted: str) -> AsyncIterator[Cluster]:
    """A cluster as tests have it, with optional services: it survives the death of any process, and no power cut."""
    async with await Supervisor.open() as supervisor:
        async with await boot.boot(system.system, supervisor, wanted=wanted) as cluster:
            yield cluster


@contextlib.asynccontextmanager
async def durable() -> AsyncIterator[Cluster]:
    """A cluster that flushes every commit to a real disk."""
    with tempfile.TemporaryDirectory(prefix="qd-", dir=machine.disk()) as home:
        chosen = dataclasses.replace(settings.read(), home=Path(home))
        async with await Supervisor.open(chosen) as supervisor:
            async with await boot.boot(system.system, supervisor, durable=True) as cluster:
                yield cluster


@contextlib.asynccontextmanager
async def visited(cluster: Cluster) -> AsyncIterator[User]:
    """A fresh user of a cluster that is thrown away."""
    async with tenancy.visitor(cluster, "bench") as user:
        yield user


async def timed(what: Callable[[], Awaitable[object]]) -> float:
    """Seconds that it took."""
    began = time.perf_counter()
    await what()
    return time.perf_counter() - began
