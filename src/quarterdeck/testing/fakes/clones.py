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
        self.may_come: bool | None = None

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
        return not self.lost

    async def finish(self, clone: model.Clone) -> bool:
        """Both become READY."""
        if not self.lost and await self._rows.ready(clone.id):
            self._free(clone)
            return True
        self._rows.leave(clone.tree)
        return False

    async def abandon(self, clone: model.Clone, *, may_come: bool) -> None:
        """The clone is gone, its source READY."""
        self.may_come = may_come
        if not self.lost and clone.id in self._rows.rows:
            self._free(clone)
            await self._rows.abandon(clone.tree, perhaps_created=True)
        self._rows.leave(clone.tree)

    def delete(self, clone: model.Clone) -> None:
        """Do what the deletion of the clone's owner does."""
        del self._rows.rows[clone.id]
        self._free(clone)

    def _free(self, clone: model.Clone) -> None:
        self._set(clone.source, FolderStatus.READY)

    def _set(self, folder: str, status: FolderStatus) -> None:
        rows = self._rows.rows
        if folder in rows:
            rows[folder] = msgspec.structs.replace(rows[folder], status=status)
