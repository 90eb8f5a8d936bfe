"""Has kernels destroyed that were ended by force: again and again, until their agent has said that they are gone."""

import asyncio
import logging
from collections.abc import Sequence

from quarterdeck.manager.sessions import errors, ports
from quarterdeck.manager.sessions.removal_ports import Removal, Removals
from quarterdeck.manager.sessions.staying import Staying

AGENTS_AT_ONCE_MAX = 16
DESTROY_SECONDS_MAX = 5.0

_log = logging.getLogger(__name__)


class KernelRemoval:
    """Destroys what is left. An agent that does not answer holds up no other, a kernel that its agent does not destroy none beside it."""

    def __init__(self, removals: Removals, kernels: ports.Kernels) -> None:
        self._removals = removals
        self._kernels = kernels
        self._staying = Staying("kernel-stays")

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
                if not await self._tried(removal):
                    return

    async def _tried(self, removal: Removal) -> bool:
        """Try to destroy a kernel, and write what came of it; tell whether the agent can be asked for others now."""
        try:
            async with asyncio.timeout(DESTROY_SECONDS_MAX):
                await self._kernels.destroy(removal.address, removal.kernel)
        except errors.AgentRefused as error:
            self._staying.note(removal.kernel, removal.agent, error)
            await self._removals.put_off(removal.kernel)
            return True
        except (TimeoutError, errors.AgentFailure) as error:
            self._staying.note(removal.kernel, removal.agent, error)
            await self._removals.postpone(removal)
            return False
        self._staying.gone(removal.kernel)
        _log.info("kernel-removed", extra={"agent": removal.agent, "kernel": removal.kernel})
        await self._removals.done(removal.kernel)
        return True
