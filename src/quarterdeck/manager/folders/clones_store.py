"""Folders that get the files of others, in PostgreSQL. With `store`."""

from quarterdeck.infra import postgres
from quarterdeck.manager import statements
from quarterdeck.manager.folders import model, reach
from quarterdeck.manager.folders.lives_store import lock_folder, require_unmounted
from quarterdeck.manager.folders.store import ARRIVAL_SECONDS_MAX, SQL, leave, why_not_inserted
from quarterdeck.wire.folders import FolderStatus, FolderView

CLAIM_SECONDS = 15.0
"""How long a manager that fell silent keeps others from going on with its clone."""


class CloneStore:
    """The port `Clones` on a database."""

    def __init__(self, database: postgres.Database, manager: str) -> None:
        self._database = database
        self._manager = manager

    async def begin(self, clone: model.Clone, source: FolderView, owner: str, name: str) -> None:
        """Add a folder that is CREATING; its source becomes CLONING. Raises `FolderNotReady`, `FolderMounted`, `FolderNameTaken`, `OwnerGone`."""
        new = {
            "id": clone.id,
            "owner": owner,
            "name": name,
            "host": clone.host,
            "cloned_from": clone.source,
        }
        async with self._database.transaction() as tx:
            added = await statements.fetch_one(tx, SQL["insert_folder"], new)
            if added is not None:
                await lock_folder(tx, source, FolderStatus.READY)
                await require_unmounted(tx, clone.source, may_read=True)
                await statements.execute(
                    tx, SQL["begin_cloning"], {"id": clone.source, "actor": owner}
                )
        if added is None:
            raise await why_not_inserted(self._database, owner, name)

    async def claim(self) -> model.Clone | None:
        """Take the oldest clone that nobody has in hand."""
        row = await self._database.fetch_one(
            SQL["claim_clone"], {"manager": self._manager, "seconds": CLAIM_SECONDS}
        )
        return None if row is None else model.Clone(**row)

    async def hold(self, clone: model.Clone) -> bool:
        """Keep a claim; False: another one has taken its place."""
        row = await self._database.fetch_one(
            SQL["hold_clone"], {"id": clone.id, "claim": clone.claim, "seconds": CLAIM_SECONDS}
        )
        return row is not None and bool(row["held"])

    async def finish(self, clone: model.Clone) -> bool:
        """Both become READY; False: the clone is another claim's, or gone: then its tree is left to `Removals`."""
        async with self._database.transaction() as tx:
            if await _end(tx, "finish_clone", clone, "cloned"):
                return True
            await leave(tx, clone.tree, 0)
        return False

    async def abandon(self, clone: model.Clone, *, may_come: bool) -> None:
        """The clone is gone, its source READY, a tree that may exist is left to `Removals`, as long as it may still come; unless another
        claim has taken the place of this one.
        """
        late = reach.CLONE_SECONDS_MAX if may_come else None
        async with self._database.transaction() as tx:
            await _end(tx, "abandon_clone", clone, "clone-failed")
            await leave(tx, clone.tree, ARRIVAL_SECONDS_MAX, late)


async def _end(tx: postgres.Connection, query: str, clone: model.Clone, cause: str) -> bool:
    """End a clone and the CLONING of its source, if the claim is still good: whoever else ends it frees the source as well."""
    ended = await statements.fetch_one(tx, SQL[query], {"id": clone.id, "claim": clone.claim})
    if ended is not None:
        await statements.execute(tx, SQL["end_cloning"], {"id": clone.source, "cause": cause})
    return ended is not None
