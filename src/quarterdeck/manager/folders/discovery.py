"""Keeps the table of storage hosts equal to what storage-proxies announce; a host that is away stays known."""

import asyncio
from collections.abc import Sequence

from quarterdeck.manager.folders import errors, model, ports

REGISTRY_SECONDS_MAX = 5.0


class HostDiscovery:
    """Follows the announcements of storage-proxies, and finds hosts: the port `HostFinder`."""

    def __init__(self, hosts: ports.Hosts, announcements: ports.Announcements) -> None:
        self._hosts = hosts
        self._announcements = announcements

    async def follow(self) -> None:
        """Remember every host that is announced, for ever."""
        async for hosts in self._announcements.watch():
            await self._remember(hosts)

    async def find(self, name: str) -> model.Host | None:
        """Return a host by name. One that is not known yet is looked for among the announcements before it counts as missing.

        Raises `RegistryAway`.
        """
        known = await self._hosts.find(name)
        if known is not None:
            return known
        return await self._look(name)

    async def moved(self, host: model.Host) -> model.Host | None:
        """Return where a host is by now if that is somewhere else: its storage-proxy may have started anew a moment ago. Raises `RegistryAway`."""
        now = await self._look(host.name)
        return None if now is None or now.manager_url == host.manager_url else now

    async def _look(self, name: str) -> model.Host | None:
        try:
            async with asyncio.timeout(REGISTRY_SECONDS_MAX):
                announced = await self._announcements.current()
        except TimeoutError as error:
            raise errors.RegistryAway from error
        await self._remember(announced)
        return next((host for host in announced if host.name == name), None)

    async def _remember(self, hosts: Sequence[model.Host]) -> None:
        if hosts:
            await self._hosts.seen(hosts)
