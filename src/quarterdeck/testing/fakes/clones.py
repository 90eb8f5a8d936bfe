"""The port `Clones` without a database, on the rows of `FakeFolders`."""

import msgspec

from quarterdeck.manager.folders import errors, model
from quarterdeck.testing.fakes.folders import FakeFolders
from quarterdeck.wire.folders import FolderCreate, FolderView
from quarterdeck.wire.states import FolderStatus


class FakeClones:
    """Clones in the order in which they were asked for; `lost`: another manager takes each claim away."""

    def __init__(self, rows: FakeFolders) -> None:
        self._rows = rows
        self.waiting: list[model.Clone] = []
        self.lost = False

    async def begin(self, clone: model.Clone, source: FolderView, owner: str, name: str) -> None:
        """Add a folder that is CREATING; its source becomes CLONING."""
        if self._rows.rows[source.id].status is not FolderStatus.READY:
            raise errors.FolderNotReady
        await self._rows.insert(clone.id, owner, FolderCreate(name, clone.host))
        self._set(source.id, FolderStatus.CLONING)
        self.waiting.append(clone)

    async def claim(self) -> model.Clone | None:
        """Take the oldest clone."""
        return self.waiting.pop(0) if self.waiting else None

    async def hold(self, clone: model.Clone) -> bool:
        """Keep a claim."""
        return not self.lost and clone.id in self._rows.rows

    async def finish(self, clone: model.Clone) -> bool:
        """Both become READY."""
        self._set(clone.source, FolderStatus.READY)
        if await self._rows.ready(clone.id):
            return True
        self._rows.removals[clone.id] = clone.tree
        return False

    async def abandon(self, clone: model.Clone) -> None:
        """The clone is gone, its source READY."""
        await self._rows.abandon(clone.tree, perhaps_created=True)
        self._set(clone.source, FolderStatus.READY)

    def _set(self, folder: str, status: FolderStatus) -> None:
        rows = self._rows.rows
        if folder in rows:
            rows[folder] = msgspec.structs.replace(rows[folder], status=status)
