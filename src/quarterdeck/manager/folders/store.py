"""Folders, storage hosts and trees to be removed in PostgreSQL; the SQL is in `queries.sql`."""

from collections.abc import Sequence

from quarterdeck.infra import postgres, queries
from quarterdeck.manager import statements
from quarterdeck.manager.folders import errors, model
from quarterdeck.wire import folders

REMOVALS_AT_ONCE_MAX = 100
CREATION_SECONDS_MAX = 60.0
"""A folder that is CREATING for longer was given up by whoever created it."""
ARRIVAL_SECONDS_MAX = 30.0
"""A creation without a clear answer is over after this; removing its tree earlier could come before it."""

_SQL = queries.load(__package__)


class FolderStore:
    """The ports `Folders` and `Removals` on a database."""

    def __init__(self, database: postgres.Database) -> None:
        self._database = database

    async def insert(
        self, folder: str, owner: str, given: folders.FolderCreate
    ) -> folders.FolderView:
        """Add a folder that is CREATING. Raises `FolderNameTaken`, `OwnerGone`."""
        async with self._database.transaction() as tx:
            row = await statements.fetch_one(
                tx,
                _SQL["insert_folder"],
                {"id": folder, "owner": owner, "name": given.name, "host": given.host},
            )
            if row is not None:
                return _view(row)
        if not await self.owner_lives(owner):
            raise errors.OwnerGone
        raise errors.FolderNameTaken(f"A folder is named {given.name!r}", field="name")

    async def ready(self, folder: str) -> folders.FolderView | None:
        """Make a folder that is CREATING READY and return it; None if it is gone."""
        row = await self._database.fetch_one(_SQL["make_ready"], {"id": folder})
        return None if row is None else _view(row)

    async def abandon(self, tree: model.Tree, *, perhaps_created: bool) -> None:
        """Delete a folder that is CREATING, if it is there yet; its tree is left to `Removals` if it may exist."""
        async with self._database.transaction() as tx:
            await statements.execute(tx, _SQL["delete_creating"], {"id": tree.id})
            if perhaps_created:
                await _leave(tx, tree, ARRIVAL_SECONDS_MAX)

    async def owner_lives(self, owner: str) -> bool:
        """Tell whether a user is there and not deleted."""
        found = await self._database.fetch_one(_SQL["user_is_live"], {"owner": owner})
        return found is not None and bool(found["live"])

    async def view(self, folder: str) -> folders.FolderView | None:
        """Return a folder."""
        row = await self._database.fetch_one(_SQL["view_folder"], {"id": folder})
        return None if row is None else _view(row)

    async def list(self, owner: str) -> Sequence[folders.FolderView]:
        """Return the folders of a user by name."""
        rows = await self._database.fetch(_SQL["list_folders"], {"owner": owner})
        return [_view(row) for row in rows]

    async def delete(self, folder: str) -> model.Tree | None:
        """Delete a folder that is READY; None if it is gone. Raises `FolderMounted`, `FolderNotReady`."""
        async with self._database.transaction() as tx:
            row = await statements.fetch_one(tx, _SQL["lock_folder"], {"id": folder})
            if row is None:
                return None
            if row["status"] != folders.FolderStatus.READY:
                raise errors.FolderNotReady
            used = await statements.fetch_one(tx, _SQL["folder_is_mounted"], {"id": folder})
            if used is not None and used["mounted"]:
                raise errors.FolderMounted
            tree = model.Tree(row["id"], row["host"])
            await _leave(tx, tree, 0)
            await statements.execute(tx, _SQL["delete_folder"], {"id": folder})
        return tree

    async def due(self) -> Sequence[model.Tree]:
        """Return trees to be removed now; folders whose creation was given up long ago become such trees first."""
        await self._database.execute(
            _SQL["give_up_stale_creations"], {"seconds": CREATION_SECONDS_MAX}
        )
        rows = await self._database.fetch(_SQL["due_removals"], {"limit": REMOVALS_AT_ONCE_MAX})
        return [model.Tree(row["tree"], row["host"]) for row in rows]

    async def postpone(self, tree: model.Tree) -> None:
        """Let a tree be due again later, the later the longer it has waited already."""
        await self._database.execute(_SQL["postpone_removal"], {"tree": tree.id})

    async def done(self, tree: model.Tree) -> None:
        """Forget a tree: it is removed."""
        await self._database.execute(_SQL["delete_removal"], {"tree": tree.id})


class HostStore:
    """The port `Hosts` on a database."""

    def __init__(self, database: postgres.Database) -> None:
        self._database = database

    async def find(self, name: str) -> model.Host | None:
        """Return a host by name."""
        row = await self._database.fetch_one(_SQL["find_host"], {"name": name})
        return None if row is None else model.Host(**row)

    async def seen(self, hosts: Sequence[model.Host]) -> None:
        """Remember where hosts are served now."""
        async with self._database.transaction() as tx:
            for host in sorted(hosts, key=lambda host: host.name):
                await statements.execute(
                    tx,
                    _SQL["upsert_host"],
                    {
                        "name": host.name,
                        "proxy": host.proxy,
                        "manager_url": host.manager_url,
                        "client_url": host.client_url,
                    },
                )


async def _leave(tx: postgres.Connection, tree: model.Tree, delay_seconds: float) -> None:
    await statements.execute(
        tx,
        _SQL["insert_removal"],
        {"tree": tree.id, "host": tree.host, "delay": delay_seconds},
    )


def _view(row: statements.Row) -> folders.FolderView:
    return folders.FolderView(
        id=row["id"],
        name=row["name"],
        owner=row["owner"],
        host=row["host"],
        status=folders.FolderStatus(row["status"]),
        created_at=row["created_at"],
    )
