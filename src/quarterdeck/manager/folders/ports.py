"""What folders need of the world: their store, the storage-proxies, and what these announce about themselves."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from quarterdeck.manager.folders import model
from quarterdeck.wire import folders


class Folders(Protocol):
    """Folders of users. A folder that is deleted leaves its tree to `Removals`."""

    async def insert(
        self, folder: str, owner: str, given: folders.FolderCreate
    ) -> folders.FolderView:
        """Add a folder that is CREATING. Raises `FolderNameTaken`, `OwnerGone`."""
        ...

    async def ready(self, folder: str) -> folders.FolderView | None:
        """Make a folder that is CREATING READY and return it; None if it is gone."""
        ...

    async def abandon(self, tree: model.Tree, *, perhaps_created: bool) -> None:
        """Delete a folder that is CREATING, if it is there yet; its tree is left to `Removals` if it may exist."""
        ...

    async def owner_lives(self, owner: str) -> bool:
        """Tell whether a user is there and not deleted."""
        ...

    async def view(self, folder: str) -> folders.FolderView | None:
        """Return a folder."""
        ...

    async def list(self, owner: str) -> Sequence[folders.FolderView]:
        """Return the folders of a user by name."""
        ...

    async def delete(self, folder: str) -> model.Tree | None:
        """Delete a folder that is READY; None if it is gone. Raises `FolderMounted`, `FolderNotReady`."""
        ...


class Removals(Protocol):
    """Trees that have no folder any more."""

    async def due(self) -> Sequence[model.Tree]:
        """Return trees to be removed now; folders whose creation was given up long ago become such trees first."""
        ...

    async def postpone(self, tree: model.Tree) -> None:
        """Let a tree be due again later, the later the longer it has waited already."""
        ...

    async def done(self, tree: model.Tree) -> None:
        """Forget a tree: it is removed."""
        ...


class Hosts(Protocol):
    """The storage hosts that were ever announced."""

    async def find(self, name: str) -> model.Host | None:
        """Return a host by name."""
        ...

    async def seen(self, hosts: Sequence[model.Host]) -> None:
        """Remember where hosts are served now."""
        ...


class Trees(Protocol):
    """The storage-proxies. Each call raises `StorageUnreachable`, `StorageUnsure`, `StorageRefused`."""

    async def create(self, host: model.Host, tree: str) -> None:
        """Make an empty tree; nothing happens if it is there. Raises `HostNotFound` too."""
        ...

    async def remove(self, host: model.Host, tree: str) -> None:
        """Remove a tree and all in it; nothing happens if it is not there."""
        ...

    async def source(self, host: model.Host, tree: str) -> str:
        """Return where a tree is mounted on the agents. Raises `HostNotMountable` too."""
        ...


class Announcements(Protocol):
    """What storage-proxies announce."""

    def watch(self) -> AsyncIterator[Sequence[model.Host]]:
        """Give all hosts that are announced, now and after each change."""
        ...

    async def current(self) -> Sequence[model.Host]:
        """Return all hosts that are announced as it is now. Raises `RegistryAway`."""
        ...


class HostFinder(Protocol):
    """Whoever finds storage hosts."""

    async def find(self, name: str) -> model.Host | None:
        """Return a host by name, even if it was announced only a moment ago. Raises `RegistryAway`."""
        ...

    async def moved(self, host: model.Host) -> model.Host | None:
        """Return where a host is by now if that is somewhere else. Raises `RegistryAway`."""
        ...
