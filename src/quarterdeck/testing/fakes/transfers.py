"""The port `Transfers` without a database, on the rows of `FakeFolders`."""

from collections.abc import Sequence

import msgspec

from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.manager.folders import errors, model
from quarterdeck.testing.fakes.folders import FakeFolders
from quarterdeck.wire.folders import FolderView


class FakeTransfers:
    """Trees that are in hand, or were left, in a dict; what comes up `meanwhile` keeps a transfer from ending."""

    def __init__(self, rows: FakeFolders) -> None:
        self._rows = rows
        self._turn = 0
        self.held: dict[str, model.Rescope] = {}
        self.meanwhile: type[QuarterdeckError] | None = None

    async def begin(self, view: FolderView, owner: str) -> model.Rescope:
        """Take a tree in hand."""
        self._rows.require_free(owner, view.name)
        if view.id in self.held:
            raise errors.FolderNotReady
        return self._take(model.Tree(view.id, view.host), owner)

    async def finish(self, view: FolderView, rescope: model.Rescope, actor: str) -> FolderView:
        """Give the folder away."""
        if self.meanwhile is not None:
            raise self.meanwhile
        del self.held[view.id]
        row = self._rows.rows[view.id]
        given = msgspec.structs.replace(row, owner=rescope.scope)
        self._rows.rows[view.id] = given
        return given

    async def end(self, rescope: model.Rescope) -> None:
        """Let go of a tree."""
        self.held.pop(rescope.tree.id)

    async def release(self, rescope: model.Rescope) -> None:
        """Let go of a tree; everything is due."""

    async def due(self) -> Sequence[model.Rescope]:
        """Take what was left in hand."""
        left = [rescope.tree for rescope in self.held.values()]
        return [self._take(tree, self._rows.rows[tree.id].owner) for tree in left]

    async def postpone(self, rescope: model.Rescope) -> None:
        """Let a tree be due again; everything is."""

    def _take(self, tree: model.Tree, scope: str) -> model.Rescope:
        self._turn += 1
        self.held[tree.id] = model.Rescope(tree, scope, self._turn)
        return self.held[tree.id]
