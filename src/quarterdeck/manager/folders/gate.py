"""Who may do what with which folder. To whom it does not exist, everything about it is `FolderNotFound`."""

from collections.abc import Sequence

from quarterdeck.manager.folders import errors, model, ports
from quarterdeck.manager.identity.model import Principal
from quarterdeck.wire import folders


class Gate:
    """Lets users through to folders and hosts."""

    def __init__(self, looks: ports.Looks, rules: ports.HostRules) -> None:
        self._looks = looks
        self._rules = rules

    async def admit(
        self,
        by: Principal,
        folder: str,
        permission: folders.Permission = folders.Permission.READ,
        of_host: folders.HostPermission | None = None,
    ) -> folders.FolderView:
        """Return a folder of which the user may do this. Raises `FolderNotFound`, `PermissionMissing`, `HostForbids`."""
        return (await self.look(by, folder)).require(permission, of_host)

    async def look(self, by: Principal, folder: str, *, field: str | None = None) -> model.Access:
        """Return a folder and what the user may do with it. Raises `FolderNotFound`."""
        access = await self._looks.access(folder, by.user)
        if access is None:
            raise errors.FolderNotFound(field=field)
        return access

    async def list(
        self, by: Principal, query: folders.FolderQuery
    ) -> Sequence[folders.FolderView]:
        """Return the user's folders and those shared with them by name, or those in the user's trash."""
        return await self._looks.list(by.user, trash=query.trash)

    async def history(self, by: Principal, folder: str) -> Sequence[folders.FolderHistoryRow]:
        """Return the changes of a folder, also of one that is gone. Raises `FolderNotFound`."""
        rows = await self._looks.history(folder, by)
        if not rows:
            raise errors.FolderNotFound
        return rows

    async def require_host(self, by: Principal, host: str, wanted: folders.HostPermission) -> None:
        """Raise `HostForbids` unless a host allows this to the user's role."""
        model.require_host(host, await self._rules.allowed(host, by.role), wanted)

    async def hosts(self, by: Principal) -> Sequence[folders.HostAccess]:
        """Return all storage hosts with what they allow to the user."""
        return await self._rules.list(by.role)
