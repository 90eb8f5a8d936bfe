"""Invitations to folders in PostgreSQL. With `store`."""

from collections.abc import Sequence

from quarterdeck.infra import postgres
from quarterdeck.manager import statements
from quarterdeck.manager.folders import errors
from quarterdeck.manager.folders.lives_store import lock_folder
from quarterdeck.manager.folders.store import SQL
from quarterdeck.manager.identity.model import Principal
from quarterdeck.wire import folders
from quarterdeck.wire.folders import FolderStatus, InvitationStatus, InvitationView

INVITATIONS_MAX = 200
"""Of a folder that are open or accepted."""
LIST_ROWS_MAX = 1000


class ShareStore:
    """The port `Shares` on a database."""

    def __init__(self, database: postgres.Database) -> None:
        self._database = database

    async def find_user(self, user: str) -> str | None:
        """Return the id of a user by name or id."""
        row = await self._database.fetch_one(SQL["find_user"], {"user": user})
        return None if row is None else str(row["id"])

    async def invite(
        self, id_: str, view: folders.FolderView, inviter: str, given: tuple[str, str]
    ) -> None:
        """Add an invitation of a user to a permission. Raises `InvitationExists`, `TooManyInvitations`, `FolderNotFound`, `FolderNotReady`."""
        invitee, permission = given
        new = {
            "id": id_,
            "folder": view.id,
            "inviter": inviter,
            "invitee": invitee,
            "permission": permission,
        }
        async with self._database.transaction() as tx:
            await lock_folder(tx, view, FolderStatus.READY, FolderStatus.CLONING)
            live = await statements.fetch_one(tx, SQL["count_invitations"], {"folder": view.id})
            if live is not None and live["live"] >= INVITATIONS_MAX:
                raise errors.TooManyInvitations(f"A folder has at most {INVITATIONS_MAX}")
            if await statements.fetch_one(tx, SQL["invite"], new) is None:
                raise errors.InvitationExists(field="user")

    async def view(self, invitation: str, by: Principal) -> InvitationView | None:
        """Return an invitation for who owns the folder or is invited; None for others."""
        row = await self._database.fetch_one(
            SQL["view_invitation"], {"id": invitation, "user": by.user, "is_admin": by.is_admin}
        )
        return None if row is None else _view(row)

    async def of_folder(self, folder: str) -> Sequence[InvitationView]:
        """Return the open invitations to a folder and its shares."""
        rows = await self._database.fetch(
            SQL["invitations_of_folder"], {"folder": folder, "limit": LIST_ROWS_MAX}
        )
        return [_view(row) for row in rows]

    async def of_user(self, user: str) -> Sequence[InvitationView]:
        """Return what a user is invited to, and what they have accepted."""
        rows = await self._database.fetch(
            SQL["invitations_of_user"], {"user": user, "limit": LIST_ROWS_MAX}
        )
        return [_view(row) for row in rows]

    async def answer(self, invitation: str, user: str, *, accept: bool) -> bool:
        """Accept or reject an open invitation of the user; False: there is none."""
        status = InvitationStatus.ACCEPTED if accept else InvitationStatus.REJECTED
        row = await self._database.fetch_one(
            SQL["answer_invitation"], {"id": invitation, "user": user, "status": status.value}
        )
        return row is not None

    async def end(
        self, invitation: str, by: Principal
    ) -> Sequence[folders.MountingSession] | None:
        """End an invitation or share, from either side, and sessions of the invitee that wait with a mount of the folder.

        Return those that go on with it; None: there is no invitation that lives.
        """
        given = {
            "id": invitation,
            "user": by.user,
            "is_admin": by.is_admin,
            "limit": LIST_ROWS_MAX,
        }
        async with self._database.transaction() as tx:
            await statements.fetch_one(tx, SQL["lock_folder_of"], given)
            row = await statements.fetch_one(tx, SQL["end_invitation"], given)
            if row is None:
                return None
            await statements.execute(tx, SQL["cancel_waiting"], given)
            left = await statements.fetch(tx, SQL["still_mounting"], given)
        return [folders.MountingSession(**each) for each in left]


def _view(row: statements.Row) -> InvitationView:
    return InvitationView(
        **row
        | {
            "permission": folders.Permission(row["permission"]),
            "status": InvitationStatus(row["status"]),
        }
    )
