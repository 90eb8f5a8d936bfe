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
        async for records in self._registry.watch():
            await self._sync(records)

    async def resync(self) -> None:
        """Hold the list against the registrations once, whatever was heard: mends what a stale manager has written."""
        async with asyncio.timeout(REGISTRY_SECONDS_MAX):
            records = await self._registry.current()
        await self._sync(records)

    async def _sync(self, records: Sequence[agents.AgentRecord]) -> None:
        changed = await self._store.sync(records)
        if changed:
            _log.info(
                "agents-changed",
                extra={"changed": list(changed), "alive": [record.id for record in records]},
            )
            for each in self._concerned:
                each.agents_changed(changed)
