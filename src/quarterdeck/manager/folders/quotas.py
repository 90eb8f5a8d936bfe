"""How much a user's folders may hold on a storage host. The host counts; each user is a quota scope there."""

import asyncio

from quarterdeck.manager.folders import errors, ports, reach
from quarterdeck.manager.identity.errors import UserNotFound
from quarterdeck.manager.identity.model import Principal
from quarterdeck.wire import trees


class Quotas:
    """The use cases of quotas."""

    def __init__(
        self, shares: ports.Shares, storages: reach.Storages, meters: ports.Meters
    ) -> None:
        self._shares = shares
        self._storages = storages
        self._meters = meters

    async def get(self, by: Principal, host: str, user: str) -> trees.QuotaView:
        """Return limits and usage of a user, one's own or, for administrators, anybody's.

        Raises `AdministratorsOnly`, `UserNotFound`, `HostNotFound`, `QuotaUnsupported`, `StorageFailure`.
        """
        scope = await self._scope(by, user)
        there = await self._storages.find(host)
        async with asyncio.timeout(reach.STORAGE_SECONDS_MAX):
            return await self._meters.quota(there, scope)

    async def set(
        self, by: Principal, host: str, user: str, limits: trees.QuotaLimits
    ) -> trees.QuotaView:
        """Set how much the folders of a user may hold from now on. Raises as `get` does."""
        if not by.is_admin:
            raise errors.AdministratorsOnly
        scope = await self._scope(by, user)
        there = await self._storages.find(host)
        async with asyncio.timeout(reach.STORAGE_SECONDS_MAX):
            await self._meters.limit(there, scope, limits)
            return await self._meters.quota(there, scope)

    async def _scope(self, by: Principal, user: str) -> str:
        found = await self._shares.find_user(user)
        if found != by.user and not by.is_admin:
            raise errors.AdministratorsOnly
        if found is None:
            raise UserNotFound(f"There is no user {user!r}", field="user")
        return found
