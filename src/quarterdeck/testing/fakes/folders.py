"""The ports of the manager's folders without a database and without a storage-proxy."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime

import msgspec

from quarterdeck.manager.folders import errors, model
from quarterdeck.wire.folders import FolderCreate, FolderStatus, FolderView

HOST = model.Host("local", "proxy", "http://proxy", "http://proxy")
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class FakeFolders:
    """The ports `Folders` and `Removals`: rows in a dict, trees to be removed in another. `mounted` folders refuse deletion."""

    def __init__(self) -> None:
        self.rows: dict[str, FolderView] = {}
        self.removals: dict[str, model.Tree] = {}
        self.mounted: set[str] = set()
        self.deleted_owners: set[str] = set()

    async def insert(self, folder: str, owner: str, given: FolderCreate) -> FolderView:
        """Add a folder that is CREATING."""
        if owner in self.deleted_owners:
            raise errors.OwnerGone
        if any(row.owner == owner and row.name == given.name for row in self.rows.values()):
            raise errors.FolderNameTaken
        self.rows[folder] = FolderView(
            id=folder,
            name=given.name,
            owner=owner,
            host=given.host,
            status=FolderStatus.CREATING,
            created_at=_EPOCH,
        )
        return self.rows[folder]

    async def ready(self, folder: str) -> FolderView | None:
        """CREATING -> READY."""
        row = self.rows.get(folder)
        if row is None:
            return None
        self.rows[folder] = msgspec.structs.replace(row, status=FolderStatus.READY)
        return self.rows[folder]

    async def abandon(self, tree: model.Tree, *, perhaps_created: bool) -> None:
        """Delete a folder that is CREATING."""
        self.rows.pop(tree.id, None)
        if perhaps_created:
            self.removals[tree.id] = tree

    async def owner_lives(self, owner: str) -> bool:
        """Tell whether a user is not deleted."""
        return owner not in self.deleted_owners

    async def view(self, folder: str) -> FolderView | None:
        """Return a folder."""
        return self.rows.get(folder)

    async def list(self, owner: str) -> Sequence[FolderView]:
        """Return the folders of a user by name."""
        own = [row for row in self.rows.values() if row.owner == owner]
        return sorted(own, key=lambda row: row.name)

    async def delete(self, folder: str) -> model.Tree | None:
        """Delete a folder."""
        row = self.rows.get(folder)
        if row is None:
            return None
        if folder in self.mounted:
            raise errors.FolderMounted
        if row.status is not FolderStatus.READY:
            raise errors.FolderNotReady
        del self.rows[folder]
        self.removals[folder] = model.Tree(folder, row.host)
        return self.removals[folder]

    async def due(self) -> Sequence[model.Tree]:
        """Return trees to be removed."""
        return list(self.removals.values())

    async def postpone(self, tree: model.Tree) -> None:
        """Do nothing: everything is due."""

    async def done(self, tree: model.Tree) -> None:
        """Forget a tree."""
        self.removals.pop(tree.id, None)


class FakeHosts:
    """The ports `Hosts`, `HostFinder` and `Announcements`: hosts in lists."""

    def __init__(self, known: Sequence[model.Host] = (HOST,)) -> None:
        self.known = {host.name: host for host in known}
        self.announced: list[Sequence[model.Host]] = []

    async def find(self, name: str) -> model.Host | None:
        """Return a host by name."""
        return self.known.get(name)

    async def moved(self, host: model.Host) -> model.Host | None:
        """Return where a host was announced last, if that is somewhere else."""
        found = [each for each in await self.current() if each.name == host.name]
        return found[0] if found and found[0] != host else None

    async def seen(self, hosts: Sequence[model.Host]) -> None:
        """Remember hosts."""
        self.known.update({host.name: host for host in hosts})

    async def watch(self) -> AsyncIterator[Sequence[model.Host]]:
        """Give what is announced, once each."""
        for hosts in self.announced:
            yield hosts

    async def current(self) -> Sequence[model.Host]:
        """Return what was announced last."""
        return self.announced[-1] if self.announced else []


class FakeTrees:
    """The storage-proxies: trees in a set.

    `failure` is raised by every call until it is taken away, `late` does the work all the same; `meanwhile` happens during a create.
    """

    def __init__(self) -> None:
        self.trees: set[str] = set()
        self.failure: Exception | None = None
        self.late = False
        self.meanwhile: Callable[[], object] | None = None

    async def create(self, host: model.Host, tree: str) -> None:
        """Make an empty tree."""
        if self.late:
            self.trees.add(tree)
        self._fail()
        self.trees.add(tree)
        if self.meanwhile is not None:
            self.meanwhile()

    async def remove(self, host: model.Host, tree: str) -> None:
        """Remove a tree."""
        self._fail()
        self.trees.discard(tree)

    async def source(self, host: model.Host, tree: str) -> str:
        """Return where a tree is."""
        self._fail()
        return f"/trees/{tree}"

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure
