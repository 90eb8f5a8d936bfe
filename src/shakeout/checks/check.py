"""The leak check of one cluster: its probes, and the snapshot from before the test."""

import asyncio
from collections.abc import Sequence

from shakeout.checks import errors, leaks, registry
from shakeout.checks.leaks import Closes, Expected, Leak, Probe, Snapshot, Things
from shakeout.system.cluster import Cluster
from shakeout.waiting.errors import WaitTimedOut
from shakeout.waiting.until import until

SETTLE_SECONDS_MAX = 2.0
SETTLE_SECONDS_MAX_FAILED = (
    0.3  # a failed test leaves things behind: look, but do not wait for them
)
SNAPSHOT_SECONDS_MAX = 15.0
"""One look at everything: far longer than it takes, also on a busy machine."""


class LeakCheck:
    """Knows what was there before a test, and tells what is there in addition."""

    def __init__(self, cluster: Cluster) -> None:
        made = [
            factory(cluster) for factory in (*registry.factories(cluster), *cluster.system.leaks)
        ]
        self._expected = [one for one in made if isinstance(one, Expected)]
        self._probes: list[Probe] = [one for one in made if not isinstance(one, Expected)]
        self._before: Snapshot = {}
        self._verified = False

    async def begin(self) -> None:
        """Remember what is there before the test.

        Raises CouldNotLook. What the last test was found to leave is what this one begins with, and is not asked again:
        what a store gained in between is found with this test, rather than never.
        """
        probes = [one for one in self._probes if not self._verified or leaks.always_fresh(one)]
        self._before = {**self._before, **await _snapshot(probes)}
        self._verified = False

    async def verify(self, *, within: float = SETTLE_SECONDS_MAX) -> None:
        """Give what the test used some seconds to go away. Raises Leaked, CouldNotLook.

        What is told was seen by a look that was finished, however long that took.
        """
        began = asyncio.get_running_loop().time()
        found: Sequence[Leak] = ()
        after: Snapshot = {}

        async def nothing_left() -> bool:
            nonlocal found, after
            after = await _snapshot(self._probes)
            found = leaks.diff(self._before, after, self._expected)
            return not found

        try:
            await until(nothing_left, within=within)
        except WaitTimedOut:
            if not await nothing_left():
                seconds = asyncio.get_running_loop().time() - began
                raise errors.Leaked(found, seconds) from None
        self._before = after
        self._verified = True

    def close(self) -> None:
        for probe in self._probes:
            if isinstance(probe, Closes):
                probe.close()


async def _snapshot(probes: Sequence[Probe]) -> Snapshot:
    limit = asyncio.timeout(SNAPSHOT_SECONDS_MAX)
    asked: dict[str, asyncio.Task[Things]] = {}
    try:
        async with limit, asyncio.TaskGroup() as group:
            asked |= {each.name: group.create_task(each.snapshot()) for each in probes}
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    except TimeoutError:
        silent = [name for name, task in asked.items() if task.cancelled()]
        raise errors.CouldNotLook(silent, SNAPSHOT_SECONDS_MAX) from None
    return {name: task.result() for name, task in asked.items()}
