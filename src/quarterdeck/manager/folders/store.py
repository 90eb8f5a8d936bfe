"""Folders that come to be, storage hosts and trees to be removed in PostgreSQL; the SQL is in `queries.sql`.

`lives_store`, `clones_store` and `shares_store` have the rest.
"""

from collections.abc import Sequence

from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.infra import postgres, queries
from quarterdeck.manager import statements
from quarterdeck.manager.folders import errors, model
from quarterdeck.wire import folders

REMOVALS_AT_ONCE_MAX = 100
CREATION_SECONDS_MAX = 60.0
"""A folder that is CREATING for longer was given up by whoever created it."""
ARRIVAL_SECONDS_MAX = 30.0
"""A creation without a clear answer is over after this; removing its tree earlier could come before it."""

SQL = queries.load(__package__)


class FolderStore:
    """The ports `Creations` and `Removals` on a database."""

    def __init__(self, database: postgres.Database) -> None:
        self._database = database

    async def insert(self, folder: str, owner: str, given: folders.FolderCreate) -> None:
        """Add a folder that is CREATING. Raises `FolderNameTaken`, `OwnerGone`."""
        row = await self._database.fetch_one(
            SQL["insert_folder"],
            {
                "id": folder,
                "owner": owner,
                "name": given.name,
                "host": given.host,
                "cloned_from": None,
            },
        )
        if row is None:
            raise await why_not_inserted(self._database, owner, given.name)

    async def ready(self, folder: str) -> bool:
        """CREATING -> READY; False: it is gone."""
        row = await self._database.fetch_one(
            SQL["make_ready"], {"id": folder, "cause": "tree-created"}
        )
        return row is not None

    async def abandon(self, tree: model.Tree, *, perhaps_created: bool) -> None:
        """Delete a folder that is CREATING, if it is there yet; its tree is left to `Removals` if it may exist and has no folder."""
        async with self._database.transaction() as tx:
            await statements.execute(
                tx, SQL["abandon_creating"], {"id": tree.id, "cause": "creation-failed"}
            )
            if perhaps_created:
                await leave(tx, tree, ARRIVAL_SECONDS_MAX)

    async def owner_lives(self, owner: str) -> bool:
        """Tell whether a user is there and not deleted."""
        found = await self._database.fetch_one(SQL["user_is_live"], {"owner": owner})
        return found is not None and bool(found["live"])

    async def due(self) -> Sequence[model.Tree]:
        """Return trees to be removed now; folders whose creation was given up long ago become such trees first."""
        await self._database.execute(
            SQL["give_up_stale_creations"], {"seconds": CREATION_SECONDS_MAX}
        )
        rows = await self._database.fetch(SQL["due_removals"], {"limit": REMOVALS_AT_ONCE_MAX})
        return [model.Tree(row["tree"], row["host"]) for row in rows]

    async def postpone(self, tree: model.Tree, why: str) -> None:
        """Let a tree be due again later, the later the longer it has waited already; its folder is in DELETE_ERROR until then."""
        async with self._database.transaction() as tx:
            await statements.execute(tx, SQL["postpone_removal"], {"tree": tree.id})
            await statements.execute(
                tx, SQL["note_delete_error"], {"tree": tree.id, "detail": why}
            )

    async def done(self, tree: model.Tree) -> None:
        """Forget a tree, unless it may still come: it is removed, and with it its folder."""
        async with self._database.transaction() as tx:
            await statements.execute(tx, SQL["end_purged"], {"tree": tree.id})
            await statements.execute(tx, SQL["delete_removal"], {"tree": tree.id})
            await statements.execute(tx, SQL["postpone_removal"], {"tree": tree.id})


class HostStore:
    """The ports `Hosts` and `HostRules` on a database."""

    def __init__(self, database: postgres.Database) -> None:
        self._database = database

    async def find(self, name: str) -> model.Host | None:
        """Return a host by name."""
        row = await self._database.fetch_one(SQL["find_host"], {"name": name})
        return None if row is None else model.Host(**row)

    async def seen(self, hosts: Sequence[model.Host]) -> None:
        """Remember where hosts are served now."""
        async with self._database.transaction() as tx:
            for host in sorted(hosts, key=lambda host: host.name):
                await statements.execute(
                    tx,
                    SQL["upsert_host"],
                    {
                        "name": host.name,
                        "proxy": host.proxy,
                        "manager_url": host.manager_url,
                        "client_url": host.client_url,
                    },
                )

    async def allowed(self, host: str, role: str) -> frozenset[folders.HostPermission]:
        """Return what a host allows to a role."""
        row = await self._database.fetch_one(SQL["host_allows"], {"host": host, "role": role})
        return host_permissions(None if row is None else row["permissions"])

    async def list(self, role: str) -> Sequence[folders.HostAccess]:
        """Return all hosts by name with what they allow to a role."""
        rows = await self._database.fetch(SQL["hosts_for_role"], {"role": role})
        return [
            folders.HostAccess(
                name=row["name"], permissions=tuple(sorted(host_permissions(row["permissions"])))
            )
            for row in rows
        ]

    async def allow(
        self, host: str, role: str, permissions: Sequence[folders.HostPermission]
    ) -> None:
        """Set what a host allows to a role."""
        await self._database.execute(
            SQL["set_host_permissions"],
            {
                "host": host,
                "role": role,
                "permissions": sorted({each.value for each in permissions}),
            },
        )


async def why_not_inserted(database: postgres.Database, owner: str, name: str) -> QuarterdeckError:
    """Return why a folder could not be inserted."""
    found = await database.fetch_one(SQL["user_is_live"], {"owner": owner})
    if found is None or not found["live"]:
        return errors.OwnerGone()
    return errors.FolderNameTaken(f"A folder is named {name!r}", field="name")


async def leave(
    tx: postgres.Connection,
    tree: model.Tree,
    delay_seconds: float,
    late_seconds: float | None = None,
) -> None:
    """Have a tree removed, after a delay, if no folder has its files in it; as often as it comes within the time given."""
    await statements.execute(
        tx,
        SQL["insert_removal"],
        {"tree": tree.id, "host": tree.host, "delay": delay_seconds, "late": late_seconds},
    )


def host_permissions(given: Sequence[str] | None) -> frozenset[folders.HostPermission]:
    """Return what is allowed by a row of the database; without one, everything."""
    return frozenset(
        map(folders.HostPermission, folders.HostPermission if given is None else given)
    )
