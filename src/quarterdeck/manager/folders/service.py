"""Folders: a row in the database and a tree in a storage, created and deleted together. `removals` mends what comes between."""

from collections.abc import Sequence

from quarterdeck.base import ids
from quarterdeck.base.clock import Clock
from quarterdeck.base.config import Secret
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.manager.folders import errors, model, ports
from quarterdeck.manager.folders.reach import Storages
from quarterdeck.manager.folders.removals import TreeRemoval
from quarterdeck.manager.identity.model import Principal
from quarterdeck.wire import folders


class FolderService:
    """The use cases of folders."""

    def __init__(
        self,
        store: ports.Folders,
        storages: Storages,
        removal: TreeRemoval,
        *,
        clock: Clock,
        token_key: Secret,
    ) -> None:
        self._store = store
        self._storages = storages
        self._removal = removal
        self._clock = clock
        self._token_key = token_key

    async def create(self, by: Principal, given: folders.FolderCreate) -> folders.FolderView:
        """Add a folder and its tree, or neither. Raises `HostNotFound`, `FolderNameTaken`, `StorageFailure`, `OwnerGone`, `CreationGivenUp`."""
        host = await self._storages.find(given.host)
        folder = ids.new(self._clock)
        await self._store.insert(folder, by.user, given)
        tree = model.Tree(folder, host.name)
        await self._create_tree(tree)
        view = await self._store.ready(folder)
        if view is not None:
            return view
        # Whoever deleted the row had the tree removed, perhaps before it came to be.
        await self._store.abandon(tree, perhaps_created=True)
        if await self._store.owner_lives(by.user):
            raise errors.CreationGivenUp
        raise errors.OwnerGone

    async def list(self, by: Principal) -> Sequence[folders.FolderView]:
        """Return the user's folders by name."""
        return await self._store.list(by.user)

    async def get(self, by: Principal, folder: str) -> folders.FolderView:
        """Return a folder. Raises `FolderNotFound`, also for another user's."""
        view = await self._store.view(folder)
        if view is None or not by.may_see(view.owner):
            raise errors.FolderNotFound
        return view

    async def delete(self, by: Principal, folder: str) -> None:
        """Delete a folder and its tree. Raises `FolderNotFound`, `FolderMounted`, `FolderNotReady`.

        The folder is gone when this returns; so is its tree, unless the storage is away: then it goes when the storage is back.
        """
        await self.get(by, folder)
        tree = await self._store.delete(folder)
        if tree is None:
            raise errors.FolderNotFound
        await self._removal.attempt([tree])

    async def grant(
        self, by: Principal, folder: str, given: folders.TokenRequest
    ) -> folders.StorageGrant:
        """Return access to a folder's files. Raises `FolderNotFound`, `FolderNotReady`, `HostNotFound`."""
        view = await self.get(by, folder)
        if view.status is not folders.FolderStatus.READY:
            raise errors.FolderNotReady
        host = await self._storages.find(view.host)
        return model.grant(
            host,
            model.Tree(view.id, view.host),
            given.right,
            user=by.user,
            now=self._clock.now(),
            key=self._token_key.reveal(),
        )

    async def source(self, host_name: str, folder: str) -> str:
        """Return where a folder's tree is mounted on the agents. Raises `HostNotFound`, `HostNotMountable`, `StorageFailure`."""
        return await self._storages.source(model.Tree(folder, host_name))

    async def _create_tree(self, tree: model.Tree) -> None:
        """Make the tree; if it fails, no row remains, and no tree for good."""
        try:
            await self._storages.create(tree)
        except (errors.StorageUnreachable, errors.StorageRefused, errors.HostNotFound):
            await self._store.abandon(tree, perhaps_created=False)
            raise
        except (TimeoutError, QuarterdeckError):
            await self._store.abandon(tree, perhaps_created=True)
            raise
