"""Folders as users see and change them, in PostgreSQL. With `store`."""

from collections.abc import Sequence

from msgspec import structs

from quarterdeck.infra import postgres
from quarterdeck.manager import statements
from quarterdeck.manager.folders import errors, model
from quarterdeck.manager.folders.store import SQL, host_permissions, leave
from quarterdeck.manager.identity.model import Principal
from quarterdeck.wire import folders
from quarterdeck.wire.folders import FolderStatus

HISTORY_ROWS_MAX = 1000


class LifeStore:
    """The ports `Looks` and `Lives` on a database."""

    def __init__(self, database: postgres.Database) -> None:
        self._database = database

    async def access(self, folder: str, user: str) -> model.Access | None:
        """Return a folder as a user sees it; None: it does not exist for them."""
        row = await self._database.fetch_one(SQL["access"], {"id": folder, "user": user})
        if row is None or row["permission"] is None:
            return None
        return model.Access(_view(row), host_permissions(row["host_allows"]))

    async def list(self, user: str, *, trash: bool) -> Sequence[folders.FolderView]:
        """Return folders of a user and those shared with them by name, or those of the user in the trash."""
        rows = await self._database.fetch(SQL["list_folders"], {"user": user, "trash": trash})
        return [_view(row) for row in rows]

    async def history(self, folder: str, by: Principal) -> Sequence[folders.FolderHistoryRow]:
        """Return the changes of a folder, also of one that is gone; nothing if it does not exist for the user."""
        rows = await self._database.fetch(
            SQL["folder_history"],
            {"id": folder, "user": by.user, "is_admin": by.is_admin, "limit": HISTORY_ROWS_MAX},
        )
        return [_step(row) for row in rows]

    async def rename(self, view: folders.FolderView, name: str, actor: str) -> None:
        """Give a folder another name. Raises `FolderNameTaken`, `FolderNotFound`, `FolderNotReady`."""
        async with self._database.transaction() as tx:
            await lock_users(tx, view.owner)
            there = await lock_folder(tx, view, FolderStatus.READY, FolderStatus.CLONING)
            if name == there.name:
                return
            await require_free(tx, view.owner, name)
            change = {"id": view.id, "name": name, "actor": actor}
            await statements.execute(tx, SQL["rename_folder"], change)

    async def trash(self, view: folders.FolderView, actor: str) -> None:
        """READY -> TRASHED. Raises `FolderMounted`, `FolderNotFound`, `FolderNotReady`."""
        async with self._database.transaction() as tx:
            await lock_folder(tx, view, FolderStatus.READY)
            await require_unmounted(tx, view.id)
            await _set(tx, view.id, FolderStatus.TRASHED, cause="trashed", actor=actor)

    async def restore(self, view: folders.FolderView, actor: str) -> None:
        """TRASHED -> READY. Raises `FolderNameTaken`, `FolderNotFound`, `FolderNotReady`."""
        async with self._database.transaction() as tx:
            await lock_users(tx, view.owner)
            there = await lock_folder(tx, view, FolderStatus.TRASHED)
            await require_free(tx, view.owner, there.name)
            await _set(tx, view.id, FolderStatus.READY, cause="restored", actor=actor)

    async def purge(self, view: folders.FolderView, actor: str) -> model.Tree:
        """TRASHED or DELETE_ERROR -> PURGING; the tree is left to `Removals`. Raises `FolderNotFound`, `FolderNotReady`."""
        tree = model.Tree(view.id, view.host)
        async with self._database.transaction() as tx:
            there = await lock_folder(
                *(tx, view, FolderStatus.TRASHED, FolderStatus.DELETE_ERROR, FolderStatus.PURGING)
            )
            if there.status is not FolderStatus.PURGING:
                await _set(tx, view.id, FolderStatus.PURGING, cause="purge-requested", actor=actor)
            await leave(tx, tree, 0)
        return tree


async def lock_users(tx: postgres.Connection, *users: str) -> None:
    """Keep these users as they are, and from getting folders. Raises `OwnerGone`."""
    rows = await statements.fetch(tx, SQL["lock_users"], {"users": list(users)})
    if {row["id"] for row in rows} != set(users):
        raise errors.OwnerGone


async def lock_folder(
    tx: postgres.Connection, view: folders.FolderView, *statuses: FolderStatus
) -> folders.FolderView:
    """Keep a folder that is in one of these states as it is; return it with its name and state of now. Raises `FolderNotFound`, `FolderNotReady`."""
    row = await statements.fetch_one(tx, SQL["lock_folder"], {"id": view.id})
    if row is None or row["owner"] != view.owner:
        raise errors.FolderNotFound
    status = FolderStatus(row["status"])
    if status not in statuses:
        raise errors.FolderNotReady(f"The folder {row['name']!r} is {status}")
    return structs.replace(view, name=row["name"], status=status)


async def require_unmounted(
    tx: postgres.Connection, folder: str, *, may_read: bool = False
) -> None:
    """Raise `FolderMounted` if a live session mounts the folder; with `may_read` if it may write there."""
    used = await statements.fetch_one(
        tx, SQL["folder_is_mounted"], {"id": folder, "may_read": may_read}
    )
    if used is not None and used["mounted"]:
        raise errors.FolderMounted(
            "A live session mounts the folder and may write in it" if may_read else None
        )


async def require_free(tx: postgres.Connection, owner: str, name: str) -> None:
    found = await statements.fetch_one(tx, SQL["name_is_taken"], {"owner": owner, "name": name})
    if found is not None and found["taken"]:
        raise errors.FolderNameTaken(f"A folder is named {name!r}", field="name")


async def _set(
    tx: postgres.Connection, folder: str, status: FolderStatus, *, cause: str, actor: str
) -> None:
    change = {"id": folder, "status": status.value, "cause": cause, "actor": actor}
    await statements.execute(tx, SQL["set_status"], change)


def _view(row: statements.Row) -> folders.FolderView:
    return folders.FolderView(
        id=row["id"],
        name=row["name"],
        owner=row["owner"],
        owner_name=row["owner_name"],
        host=row["host"],
        status=FolderStatus(row["status"]),
        created_at=row["created_at"],
        permission=folders.Permission(row["permission"]),
        cloned_from=row["cloned_from"],
        detail=row["detail"],
    )


def _step(row: statements.Row) -> folders.FolderHistoryRow:
    before = row["from_status"]
    return folders.FolderHistoryRow(
        seq=row["seq"],
        folder=row["folder"],
        from_status=None if before is None else FolderStatus(before),
        to_status=FolderStatus(row["to_status"]),
        cause=row["cause"],
        actor=row["actor"],
        at=row["at"],
    )
