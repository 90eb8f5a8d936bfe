"""Keeps the list of agents equal to their registrations: whoever is registered is ALIVE, whoever is not is LOST."""

import asyncio
import logging
from collections.abc import Sequence

from quarterdeck.manager.agents import ports
from quarterdeck.manager.agents.errors import AgentNotFound
from quarterdeck.manager.identity import errors
from quarterdeck.manager.identity.model import Principal
from quarterdeck.wire import agents

REGISTRY_SECONDS_MAX = 5.0
ID_CHARACTERS_MAX = 255

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
        _require_admin(by)
        return await self._store.list()

    async def drain(self, by: Principal, id_: str, given: agents.AgentDrain) -> agents.AgentView:
        """Have nothing new placed on an agent; what runs there goes on, until the deadline if one is given.

        Again gives it another deadline. Raises `Forbidden`, `AgentNotFound`.
        """
        _require_admin(by)
        drained = await self._store.drain(_known(id_), given.deadline_seconds)
        if drained is None:
            raise AgentNotFound
        extra = {"agent": id_, "deadline_seconds": given.deadline_seconds, "by": by.user}
        _log.info("agent-drained", extra=extra)
        return drained

    async def resume(self, by: Principal, id_: str) -> agents.AgentView:
        """Take an agent back into service. Raises `Forbidden`, `AgentNotFound`."""
        _require_admin(by)
        resumed = await self._store.resume(_known(id_))
        if resumed is None:
            raise AgentNotFound
        _log.info("agent-resumed", extra={"agent": id_, "by": by.user})
        self._tell([id_])
        return resumed

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
            self._tell(changed)

    def _tell(self, changed: Sequence[str]) -> None:
        for each in self._concerned:
            each.agents_changed(changed)


def _require_admin(by: Principal) -> None:
    if not by.is_admin:
        raise errors.Forbidden


def _known(id_: str) -> str:
    """Return an id that an agent may have. Raises `AgentNotFound` for any other, which the database need not see."""
    if len(id_) > ID_CHARACTERS_MAX or not id_.isprintable():
        raise AgentNotFound
    return id_
