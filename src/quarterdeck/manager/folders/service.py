"""Folders: a row in the database and a tree in a storage, created and deleted together. `removals` mends what comes between.

`sharing` has who else may use them, `cloning` their copies, `mounting` what sessions see of them.
"""

from quarterdeck.base import ids
from quarterdeck.base.clock import Clock
from quarterdeck.base.config import Secret
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.manager.folders import errors, model, ports
from quarterdeck.manager.folders.gate import Gate
from quarterdeck.manager.folders.reach import Storages
from quarterdeck.manager.folders.removals import TreeRemoval
from quarterdeck.manager.identity.model import Principal
from quarterdeck.wire import folders
from quarterdeck.wire.folders import HostPermission, Permission
from quarterdeck.wire.states import FOLDER_TRASH


class FolderService:
    """The use cases of one's own folders."""

    def __init__(
        self,
        creations: ports.Creations,
        lives: ports.Lives,
        gate: Gate,
        *,
        storages: Storages,
        removal: TreeRemoval,
        clock: Clock,
        token_key: Secret,
    ) -> None:
        self._creations = creations
        self._lives = lives
        self._gate = gate
        self._storages = storages
        self._removal = removal
        self._clock = clock
        self._token_key = token_key

    async def create(self, by: Principal, given: folders.FolderCreate) -> folders.FolderView:
        """Add a folder and its tree, or neither.

        Raises `HostNotFound`, `HostForbids`, `FolderNameTaken`, `StorageFailure`, `OwnerGone`, `CreationGivenUp`.
        """
        host = await self._storages.find(given.host)
        await self._gate.require_host(by, host.name, HostPermission.CREATE)
        folder = ids.new(self._clock)
        await self._creations.insert(folder, by.user, given)
        tree = model.Tree(folder, host.name)
        await self._create_tree(tree, by.user)
        if await self._creations.ready(folder):
            return await self._gate.admit(by, folder)
        # Whoever deleted the row had the tree removed, perhaps before it came to be.
        await self._creations.abandon(tree, perhaps_created=True)
        if await self._creations.owner_lives(by.user):
            raise errors.CreationGivenUp
        raise errors.OwnerGone

    async def get(self, by: Principal, folder: str) -> folders.FolderView:
        """Return a folder. Raises `FolderNotFound`, also for another user's."""
        return await self._gate.admit(by, folder)

    async def rename(
        self, by: Principal, folder: str, given: folders.FolderChange
    ) -> folders.FolderView:
        """Give a folder another name. Raises `FolderNotFound`, `PermissionMissing`, `HostForbids`, `FolderNotReady`, `FolderNameTaken`."""
        view = await self._gate.admit(by, folder, Permission.OWN, HostPermission.MODIFY)
        await self._lives.rename(view, given.name, by.user)
        return await self._gate.admit(by, folder)

    async def delete(
        self, by: Principal, folder: str, given: folders.FolderDelete
    ) -> folders.FolderView:
        """Put a folder into the trash, or remove it for good. Raises as `trash` and `purge` do."""
        if not given.purge:
            return await self.trash(by, folder)
        view = await self._gate.admit(by, folder, Permission.OWN, HostPermission.DELETE)
        if view.status not in FOLDER_TRASH:
            await self._lives.trash(view, by.user)
        return await self.purge(by, folder)

    async def trash(self, by: Principal, folder: str) -> folders.FolderView:
        """Put a folder into the trash: nobody uses it, nothing is removed.

        Raises `FolderNotFound`, `PermissionMissing`, `HostForbids`, `FolderMounted`, `FolderNotReady`.
        """
        view = await self._gate.admit(by, folder, Permission.DELETE, HostPermission.DELETE)
        await self._lives.trash(view, by.user)
        return await self._gate.admit(by, folder)

    async def restore(self, by: Principal, folder: str) -> folders.FolderView:
        """Take a folder out of the trash. Raises `FolderNotFound`, `PermissionMissing`, `HostForbids`, `FolderNameTaken`, `FolderNotReady`."""
        view = await self._gate.admit(by, folder, Permission.DELETE, HostPermission.DELETE)
        await self._lives.restore(view, by.user)
        return await self._gate.admit(by, folder)

    async def purge(self, by: Principal, folder: str) -> folders.FolderView:
        """Remove a folder that is in the trash for good.

        It is GONE when this returns, or in DELETE_ERROR with what its storage said: then it goes when the storage can, by itself.
        Raises `FolderNotFound`, `PermissionMissing`, `HostForbids`, `FolderNotReady`.
        """
        view = await self._gate.admit(by, folder, Permission.OWN, HostPermission.DELETE)
        tree = await self._lives.purge(view, by.user)
        await self._removal.attempt([tree])
        try:
            return await self._gate.admit(by, folder)
        except errors.FolderNotFound:
            return model.gone(view)

    async def grant(
        self, by: Principal, folder: str, given: folders.TokenRequest
    ) -> folders.StorageGrant:
        """Return access to a folder's files. Raises `FolderNotFound`, `PermissionMissing`, `HostForbids`, `FolderNotReady`, `HostNotFound`.

        While its files are being cloned nobody begins to write. Its time runs from before the look: a share that ends meanwhile is no
        longer good than one that ended before.
        """
        now = self._clock.now()
        view = await self._gate.admit(by, folder, *model.FOR_RIGHT[given.right])
        model.require_status(view, *model.usable(writing=given.right is folders.Right.WRITE))
        host = await self._storages.find(view.host)
        return model.grant(
            *(host, view, given.right),
            user=by.user,
            now=now,
            key=self._token_key.reveal(),
        )

    async def _create_tree(self, tree: model.Tree, scope: str) -> None:
        """Make the tree; if it fails, no row remains, and no tree for good."""
        try:
            await self._storages.create(tree, scope)
        except errors.NOT_DONE as error:
            begun = isinstance(error, errors.StorageBrokeOff)
            await self._creations.abandon(tree, perhaps_created=begun)
            raise
        except (TimeoutError, QuarterdeckError):
            await self._creations.abandon(tree, perhaps_created=True)
            raise
