"""Has kernels destroyed that were ended by force: again and again, until their agent has said that they are gone."""

import asyncio
import logging
from collections.abc import Sequence

from quarterdeck.manager.sessions import errors, ports
from quarterdeck.manager.sessions.removal_ports import Removal, Removals

AGENTS_AT_ONCE_MAX = 16
DESTROY_SECONDS_MAX = 5.0

_log = logging.getLogger(__name__)


class KernelRemoval:
    """Destroys what is left. An agent that does not answer holds up no other, and is left alone for a while."""

    def __init__(self, removals: Removals, kernels: ports.Kernels) -> None:
        self._removals = removals
        self._kernels = kernels

    async def run(self) -> None:
        """Try all that is due."""
        limit = asyncio.Semaphore(AGENTS_AT_ONCE_MAX)
        by_agent: dict[str, list[Removal]] = {}
        for removal in await self._removals.due():
            by_agent.setdefault(removal.agent, []).append(removal)
        async with asyncio.TaskGroup() as group:
            for removals in by_agent.values():
                group.create_task(self._at_one_agent(removals, limit))

    async def _at_one_agent(self, removals: Sequence[Removal], limit: asyncio.Semaphore) -> None:
        async with limit:
            for removal in removals:
                if not await self._gone(removal):
                    await self._removals.postpone(removal.agent)
                    return
                await self._removals.done(removal.kernel)

    async def _gone(self, removal: Removal) -> bool:
        extra = {"agent": removal.agent, "kernel": removal.kernel}
        try:
            async with asyncio.timeout(DESTROY_SECONDS_MAX):
                await self._kernels.destroy(removal.address, removal.kernel)
        except (TimeoutError, errors.AgentFailure) as error:
            _log.warning("kernel-stays", extra={**extra, "error": repr(error)})
            return False
        _log.info("kernel-removed", extra=extra)
        return True
