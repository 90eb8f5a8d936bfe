"""Ends sessions whose time is up. Run by a loop; what is up is the database's word, so no clock of a manager matters.

A batch session may have ended in time while nobody looked. So its agent is asked first: only what still runs is too late.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from quarterdeck.manager.sessions import errors, ports
from quarterdeck.manager.sessions.deadlines import Deadlines, Overdue
from quarterdeck.wire import sessions

INVENTORY_SECONDS_MAX = 5.0

_log = logging.getLogger(__name__)


class Expiry:
    """Keeps no state: each run looks at all that is overdue. `suspect` names agents whose kernels have ended unseen."""

    def __init__(
        self,
        deadlines: Deadlines,
        kernels: ports.Kernels,
        *,
        driver: ports.Driver,
        suspect: Callable[[Sequence[str]], None],
    ) -> None:
        self._deadlines = deadlines
        self._kernels = kernels
        self._driver = driver
        self._suspect = suspect

    async def run(self) -> None:
        """End what is overdue."""
        for overdue in await self._deadlines.overdue():
            if overdue.type is not sessions.SessionType.BATCH or await self._still_runs(overdue):
                await self._expire(overdue)

    async def _expire(self, overdue: Overdue) -> None:
        for due in await self._deadlines.expire(overdue):
            reason = overdue.end().reason.value
            _log.info("session-expired", extra={"session": overdue.session, "reason": reason})
            self._driver.drive(due.agent, due.session, due.kernel)

    async def _still_runs(self, overdue: Overdue) -> bool:
        """Ask the agent; one that does not answer is asked again the next time, until it does or is lost."""
        if overdue.address is None:
            return False
        try:
            async with asyncio.timeout(INVENTORY_SECONDS_MAX):
                inventory = await self._kernels.inventory(overdue.address)
        except (TimeoutError, errors.AgentFailure) as error:
            extra = {"session": overdue.session, "agent": overdue.agent, "error": repr(error)}
            _log.warning("overdue-not-known", extra=extra)
            return False
        view = inventory.get(overdue.kernel)
        if view is not None and view.status is sessions.KernelStatus.RUNNING:
            return True
        self._suspect([overdue.agent])
        return False
