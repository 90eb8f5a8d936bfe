"""The scheduling pass: places waiting sessions batch by batch until nothing more fits. Run by a loop; woken by requests and events."""

import logging

from quarterdeck.manager.scheduling import model, ports

BATCH_SESSIONS_MAX = 256
BATCHES_MAX = 64
"""A pass ends after this many batches; the loop begins the next at once if it is woken, else after its period."""

_log = logging.getLogger(__name__)


class Scheduler:
    """Places waiting sessions on agents."""

    def __init__(
        self, placements: ports.Placements, driver: ports.Driver, queue: ports.Queue
    ) -> None:
        """`queue` is told whether anybody waits."""
        self._placements = placements
        self._driver = driver
        self._queue = queue

    async def run(self) -> None:
        """Do one pass."""
        for _ in range(BATCHES_MAX):
            heard = self._queue.heard
            facts = await self._placements.facts(BATCH_SESSIONS_MAX)
            self._queue.looked(heard, empty=facts is None)
            decided = model.place(facts) if facts is not None else ()
            if not decided:
                return
            written = await self._placements.write(decided)
            for each in written:
                _log.info("session-placed", extra={"session": each.session, "agent": each.agent})
                self._driver.drive(each.agent, each.session, each.kernel)
            kernels = sum(len(placement.agents) for placement in decided)
            if len(decided) < BATCH_SESSIONS_MAX and len(written) == kernels:
                return  # nothing more fits, and nothing was lost to another scheduler
