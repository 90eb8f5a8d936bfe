"""Folders that change owners, in PostgreSQL. With `store`."""

from collections.abc import Sequence

from msgspec import structs

from quarterdeck.infra import postgres
from quarterdeck.manager import statements
from quarterdeck.manager.folders import errors, model
from quarterdeck.manager.folders.lives_store import (
    lock_folder,
    lock_users,
    require_free,
    require_unmounted,
)
from quarterdeck.manager.folders.store import SQL
from quarterdeck.wire.folders import FolderStatus, FolderView

HELD_SECONDS = 30.0
"""How long a manager that fell silent keeps others from putting its tree right."""
RESCOPES_AT_ONCE_MAX = 100


class TransferStore:
    """The port `Transfers` on a database."""

    def __init__(self, database: postgres.Database) -> None:
        self._database = database

    async def begin(self, view: FolderView, owner: str) -> model.Rescope:
        """Take the tree of a folder in hand that may be given to a user.

        Raises `FolderNotFound`, `FolderNotReady`, `FolderMounted`, `FolderNameTaken`, `OwnerGone`.
        """
        row = {"tree": view.id, "host": view.host, "seconds": HELD_SECONDS}
        async with self._database.transaction() as tx:
            await _require_possible(tx, view, owner)
            begun = await statements.fetch_one(tx, SQL["begin_rescope"], row)
            if begun is None:
                raise errors.FolderNotReady(f"The folder {view.name!r} is being given away")
        return model.Rescope(model.Tree(view.id, view.host), owner, begun["turn"])

    async def finish(self, view: FolderView, rescope: model.Rescope, actor: str) -> FolderView:
        """Give the folder to the user, whose share of it ends. Raises as `begin` does, and `TransferGivenUp`."""
        change = {"id": view.id, "owner": rescope.scope, "actor": actor}
        async with self._database.transaction() as tx:
            there = await _require_possible(tx, view, rescope.scope)
            if await statements.fetch_one(tx, SQL["end_rescope"], _which(rescope)) is None:
                raise errors.TransferGivenUp
            given = await statements.fetch(tx, SQL["transfer_folder"], change)
            await statements.execute(tx, SQL["end_invitations_of"], change)
        return structs.replace(there, **given[0])

    async def end(self, rescope: model.Rescope) -> None:
        """Let go of a tree that counts for whose folder it is."""
        await self._database.execute(SQL["end_rescope"], _which(rescope))

    async def release(self, rescope: model.Rescope) -> None:
        """Let go of a tree of which nobody knows for whom it counts: it is due at once."""
        await self._database.execute(SQL["release_rescope"], _which(rescope))

    async def due(self) -> Sequence[model.Rescope]:
        """Take in hand the trees that were left, for the owners of their folders."""
        rows = await self._database.fetch(
            SQL["claim_rescopes"], {"seconds": HELD_SECONDS, "limit": RESCOPES_AT_ONCE_MAX}
        )
        return [
            model.Rescope(model.Tree(row["id"], row["host"]), row["scope"], row["turn"])
            for row in rows
        ]

    async def postpone(self, rescope: model.Rescope) -> None:
        """Let a tree be due again later, the later the longer it has waited already."""
        await self._database.execute(SQL["postpone_rescope"], _which(rescope))


async def _require_possible(tx: postgres.Connection, view: FolderView, owner: str) -> FolderView:
    """Keep a folder and both users as they are if it can be given to the other; return it as it is. Raises as `TransferStore.begin` does."""
    await lock_users(tx, view.owner, owner)
    there = await lock_folder(tx, view, FolderStatus.READY)
    await require_unmounted(tx, view.id)
    await require_free(tx, owner, there.name)
    return there


def _which(rescope: model.Rescope) -> dict[str, object]:
    return {"tree": rescope.tree.id, "turn": rescope.turn}
