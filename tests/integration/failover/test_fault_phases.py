"""Faults at other times than when all is quiet: while users work, and while the platform starts."""

import asyncio
import contextlib
from functools import partial

import pytest

from quarterdeck.client.errors import ClientError
from quarterdeck.testing.invariants import Invariants
from shakeout.faults import lifecycle, phase
from shakeout.faults.network import Cut
from shakeout.faults.process import Kill, Pause, Restart
from shakeout.faults.service import LoseLeases
from shakeout.waiting.errors import WaitTimedOut
from shakeout.waiting.until import until

SECONDS_MAX = 20
SESSIONS_MIN = 3
NOTICED_SECONDS_MAX = 1.5

pytestmark = pytest.mark.links


async def work(user):
    """One session from its beginning to its end."""
    session = await user.sessions.create()
    try:
        await session.reaches("RUNNING", within=SECONDS_MAX)
        assert (await session.execute("6 * 7")).result == "42"
    finally:
        with contextlib.suppress(ClientError):
            await session.terminate()


class Busy:
    """A user who makes session after session, and takes any refusal for an answer."""

    def __init__(self, user):
        self.user = user
        self.done = 0
        self.refused = 0

    @contextlib.asynccontextmanager
    async def working(self):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._go_on())
            await until(lambda: self.done, within=SECONDS_MAX)
            yield
            task.cancel()

    async def notices(self):
        """Return after two more attempts; or, when they hang, soon."""
        before = self.done + self.refused
        with contextlib.suppress(WaitTimedOut):
            await until(lambda: self.done + self.refused > before + 1, within=NOTICED_SECONDS_MAX)

    async def _go_on(self):
        while True:
            try:
                await work(self.user)
                self.done += 1
            except ClientError:
                self.refused += 1


async def end_all(user):
    """End a user's sessions, and return those that there were: a request that was given up may still make one."""
    left = await user.sessions.list()
    for session in left:
        with contextlib.suppress(ClientError):
            await (await user.sessions.get(session.id)).terminate()
    return left


@pytest.mark.parametrize(
    "fault",
    [
        Kill("postgres"),
        Pause("redis"),
        LoseLeases("etcd"),
        Restart("manager"),
        Pause("agent"),
        Cut("manager", "agent"),
    ],
    ids=lifecycle.text,
)
async def test_platform_gets_over_a_fault_while_users_work(private_cluster, user, fault):
    """Work goes on after a fault, and no promise is broken. Make sessions without a pause; inject; undo; go on; then look."""
    judge = Invariants(private_cluster)
    busy = Busy(user)
    async with busy.working():
        with phase.during(phase.LOAD):
            async with lifecycle.injected(fault, private_cluster, within=SECONDS_MAX):
                await busy.notices()
        before = busy.done
        await until(lambda: busy.done >= before + SESSIONS_MIN, within=SECONDS_MAX)
    await until(partial(end_all, user), satisfied=lambda left: not left, within=SECONDS_MAX)
    await until(judge.snapshot, satisfied=lambda broken: not broken, within=SECONDS_MAX)


@pytest.mark.parametrize(
    ("starting", "service"),
    [
        ("manager", "postgres"),
        ("manager", "redis"),
        ("agent", "etcd"),
        ("storage-proxy", "etcd"),
    ],
)
async def test_component_starts_while_a_service_hangs(private_cluster, user, starting, service):
    """A start takes as long as it must. Stop a component, freeze a service, begin the start, let the service go on."""
    await private_cluster.stop(starting)
    with phase.during(phase.BOOT):
        async with lifecycle.injected(Pause(service), private_cluster, within=SECONDS_MAX):
            await private_cluster.begin(starting)
    await private_cluster.start(starting)
    await work(user)
