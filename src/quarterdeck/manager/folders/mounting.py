"""What sessions may mount, and where it lies on the agents: the port `MountSources` of sessions."""

from collections.abc import Sequence

from quarterdeck.manager.folders import model
from quarterdeck.manager.folders.gate import Gate
from quarterdeck.manager.folders.reach import Storages
from quarterdeck.manager.identity.model import Principal
from quarterdeck.wire.folders import HostPermission, Permission
from quarterdeck.wire.sessions import Mount


class Mounting:
    """Looks after mounts before a session is written down. Nothing is written here."""

    def __init__(self, gate: Gate, storages: Storages) -> None:
        self._gate = gate
        self._storages = storages

    async def sources(self, by: Principal, mounts: Sequence[Mount]) -> tuple[str, ...]:
        """Return the directories of the folders, in the order of the mounts.

        Raises `FolderNotFound`, `PermissionMissing`, `HostForbids`, `FolderNotReady`, `HostNotFound`, `HostNotMountable`, `StorageFailure`.
        """
        return tuple([await self._source(by, at, mount) for at, mount in enumerate(mounts)])

    async def _source(self, by: Principal, at: int, mount: Mount) -> str:
        permission = Permission.READ if mount.read_only else Permission.WRITE
        access = await self._gate.look(by, mount.folder, field=f"mounts.{at}.folder")
        view = access.require(permission, HostPermission.MOUNT, field=f"mounts.{at}.read_only")
        model.require_status(view, *model.usable(writing=not mount.read_only))
        return await self._storages.source(model.Tree(view.id, view.host))
