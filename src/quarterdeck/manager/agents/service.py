"""Keeps the list of agents equal to their registrations: whoever is registered is ALIVE, whoever is not is LOST."""

import asyncio
import logging
from collections.abc import Sequence

from quarterdeck.manager.agents import ports
from quarterdeck.manager.identity import errors
from quarterdeck.manager.identity.model import Principal
from quarterdeck.wire import agents

REGISTRY_SECONDS_MAX = 5.0

_log = logging.getLogger(__name__)


class AgentService:
    """The use cases of agents."""

    def __init__(
        self,
        store: ports.Agents,
        registry: ports.Registry,
        concerned: Sequence[ports.Concerned],
    ) -> None:
        self._store = store
        self._registry = registry
        self._concerned = concerned

    async def list(self, by: Principal) -> Sequence[agents.AgentView]:
        """Return all agents. Raises `Forbidden`."""
        if not by.is_admin:
            raise errors.Forbidden
        return await self._store.list()

    async def follow(self) -> None:
        """Follow the registrations, for ever. Without contact to etcd nothing changes: silence is no loss."""
        async for _ in self._registry.watch():
            await self.resync()

    async def resync(self) -> None:
        """Hold the list against the registrations once, whatever was heard.

        They are read when nobody else writes the list: what was read earlier may be older than what is written, and would
        lose an agent that has just come, and its sessions. They are read before, too, since a manager that cannot
        reach etcd must not keep others from writing.
        """
        async with asyncio.timeout(REGISTRY_SECONDS_MAX):
            await self._registry.current()
            changed = await self._store.sync(self._registry.current)
        if changed:
            _log.info("agents-changed", extra={"changed": list(changed)})
            for each in self._concerned:
                each.agents_changed(changed)
