"""Ends sessions whose time is up. Run by loops; what is up is the database's word, so no clock of a manager matters.

A command may have ended in time while nobody looked. So its agent is asked first: only what still runs is too late.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from quarterdeck.manager.sessions import errors, ports
from quarterdeck.manager.sessions.deadlines import Command, Deadlines, Overdue
from quarterdeck.wire import sessions

AGENTS_AT_ONCE_MAX = 16
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
        """End what is overdue; what needs no answer of an agent first, then by agent: one that is slow holds up nothing else."""
        commands: dict[str, list[tuple[Overdue, Command]]] = {}
        for overdue in await self._deadlines.overdue():
            command = overdue.command
            if command is None:
                await self._expire(overdue)
            elif command.address is not None:
                commands.setdefault(command.address, []).append((overdue, command))
        limit = asyncio.Semaphore(AGENTS_AT_ONCE_MAX)
        async with asyncio.TaskGroup() as group:
            for address, late in commands.items():
                group.create_task(self._expire_at(address, late, limit))

    async def _expire_at(
        self, address: str, late: Sequence[tuple[Overdue, Command]], limit: asyncio.Semaphore
    ) -> None:
        """End what still runs at an agent; one that does not answer is asked again the next time, until it does or is lost."""
        async with limit:
            try:
                async with asyncio.timeout(INVENTORY_SECONDS_MAX):
                    inventory = await self._kernels.inventory(address)
            except (TimeoutError, errors.AgentFailure) as error:
                agent = late[0][1].agent
                extra = {"agent": agent, "sessions": len(late), "error": repr(error)}
                _log.warning("overdue-not-known", extra=extra)
                return
        for overdue, command in late:
            view = inventory.get(command.kernel)
            if view is not None and view.status is sessions.KernelStatus.RUNNING:
                await self._expire(overdue)
            else:
                self._suspect([command.agent])

    async def _expire(self, overdue: Overdue) -> None:
        for due in await self._deadlines.expire(overdue):
            reason = overdue.end.reason.value
            _log.info("session-expired", extra={"session": overdue.session, "reason": reason})
            self._driver.drive(due.agent, due.session, due.kernel)
