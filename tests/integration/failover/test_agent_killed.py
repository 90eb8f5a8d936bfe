"""An agent that is killed again and again, at any moment of creating, running and destroying: nothing is lost, nothing is left."""

import asyncio
import contextlib

from quarterdeck.client.errors import ClientError
from quarterdeck.testing import layout
from quarterdeck.testing.invariants import Invariants
from shakeout.waiting.until import until

SECONDS_MAX = 40
KILLS = 10
"""A hundred were tried by hand."""
WORKERS = 4
STEADY = 2
LIVE_SECONDS_MAX, AWAY_SECONDS_MAX, START_SECONDS_MAX = 0.6, 0.3, 0.4


class Crowd:
    """Users who make session after session, and take any refusal for an answer."""

    def __init__(self, user):
        self.user = user
        self.done = 0
        self.wrong = []

    async def work(self):
        while True:
            with contextlib.suppress(ClientError):
                await self._live(await self.user.sessions.create(slots={"memory_mib": 128}))

    async def _live(self, session):
        try:
            await session.reaches("RUNNING", within=SECONDS_MAX)
            result = (await session.execute("6 * 7")).result
            self.wrong += [result] if result != "42" else []
            self.done += 1
        finally:
            with contextlib.suppress(ClientError):
                await session.terminate()

    @contextlib.asynccontextmanager
    async def working(self):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.work()) for _ in range(WORKERS)]
            yield
            for task in tasks:
                task.cancel()


def records(cluster):
    """The kernels that the agent has written down."""
    root = cluster.place("agent").directory / layout.SCRATCH_DIRECTORY / ".state"
    return sorted(path.stem for path in root.glob("*.json"))


async def moment(rng, seconds_max):
    """Let a random time pass."""
    never = asyncio.Event()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(rng.uniform(0, seconds_max)):
            await never.wait()


async def kill_again_and_again(cluster, rng):
    """SIGKILL the agent at random moments while it works, and every second time while it starts."""
    for number in range(KILLS):
        await moment(rng, LIVE_SECONDS_MAX)
        await cluster.kill("agent")
        await moment(rng, AWAY_SECONDS_MAX)
        if number % 2:
            await cluster.begin("agent")
            await moment(rng, START_SECONDS_MAX)
            await cluster.kill("agent")
        await cluster.start("agent")


async def end_all_but(stays, user):
    """Terminate sessions until no other lives: a create that was under way when its user left may still come to something."""

    async def others():
        found = {view.id for view in await user.sessions.list()} - stays
        for id_ in found:
            with contextlib.suppress(ClientError):
                await (await user.sessions.get(id_)).terminate()
        return found

    await until(others, satisfied=lambda found: not found, within=SECONDS_MAX)


async def test_nothing_is_lost_or_left_by_an_agent_killed_at_random(
    private_cluster, user, observe, rng
):
    """Behaviours 8, 56: whenever an agent dies, SQL, processes, directories, slots and what it wrote down agree afterwards.

    Two sessions stay, others come, compute and go without a pause; SIGKILL the agent ten times at random moments, and
    every second time once more while it starts.
    """
    steady = [await user.sessions.create() for _ in range(STEADY)]
    for session in steady:
        await session.reaches("RUNNING", within=SECONDS_MAX)
        await session.execute("x = 41")
    kernels = sorted(observe.kernel(session.id) for session in steady)
    pids = {kernel: observe.kernel_pids(kernel) for kernel in kernels}
    crowd = Crowd(user)
    async with crowd.working():
        await kill_again_and_again(private_cluster, rng)
        done = crowd.done
        await until(lambda: crowd.done > done + WORKERS, within=SECONDS_MAX)
    await end_all_but({session.id for session in steady}, user)
    assert crowd.wrong == []
    for session in steady:
        assert (await session.execute("x + 1")).result == "42"
        assert observe.history(session.id)[-1] == ("CREATING", "RUNNING")
    assert {kernel: observe.kernel_pids(kernel) for kernel in kernels} == pids
    judge = Invariants(private_cluster)
    await until(judge.snapshot, satisfied=lambda broken: not broken, within=SECONDS_MAX)
    assert observe.live_kernels() == kernels
    assert sorted(observe.scratch()) == kernels
    assert records(private_cluster) == kernels
    assert observe.slots_in_use() == (STEADY, 256 * STEADY)
