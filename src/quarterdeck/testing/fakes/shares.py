"""The port `Shares` without a database, on the rows of `FakeFolders`."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from quarterdeck.manager.folders import errors
from quarterdeck.manager.identity.model import Principal
from quarterdeck.testing.fakes.folders import FakeFolders
from quarterdeck.wire.folders import (
    FolderView,
    InvitationStatus,
    InvitationView,
    MountingSession,
    Permission,
)

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_LIVE = {InvitationStatus.PENDING, InvitationStatus.ACCEPTED}


class FakeShares:
    """Invitations in a dict; every user in `users` has their name as id."""

    def __init__(self, rows: FakeFolders, users: Sequence[str] = ("ada", "bob", "cy")) -> None:
        self._rows = rows
        self._users = users
        self.invitations: dict[str, InvitationView] = {}
        self.mounting: list[MountingSession] = []

    async def find_user(self, user: str) -> str | None:
        """Return the user."""
        return user if user in self._users else None

    async def invite(
        self, id_: str, view: FolderView, inviter: str, given: tuple[str, str]
    ) -> None:
        """Add an invitation."""
        invitee, permission = given
        if any(
            (one.folder, one.invitee) == (view.id, invitee) and one.status in _LIVE
            for one in self.invitations.values()
        ):
            raise errors.InvitationExists
        self.invitations[id_] = InvitationView(
            id=id_,
            folder=view.id,
            folder_name=view.name,
            owner=view.owner,
            inviter=inviter,
            invitee=invitee,
            permission=Permission(permission),
            status=InvitationStatus.PENDING,
            created_at=_EPOCH,
        )

    async def view(self, invitation: str, by: Principal) -> InvitationView | None:
        """Return an invitation for who owns the folder or is invited."""
        one = self.invitations.get(invitation)
        return one if one is not None and self._concerns(one, by) else None

    async def of_folder(self, folder: str) -> Sequence[InvitationView]:
        """Return what lives of a folder."""
        return [
            one
            for one in self.invitations.values()
            if one.folder == folder and one.status in _LIVE
        ]

    async def of_user(self, user: str) -> Sequence[InvitationView]:
        """Return what lives of a user."""
        return [
            one for one in self.invitations.values() if one.invitee == user and one.status in _LIVE
        ]

    async def answer(self, invitation: str, user: str, *, accept: bool) -> bool:
        """Accept or reject."""
        one = self.invitations.get(invitation)
        if one is None or one.invitee != user or one.status is not InvitationStatus.PENDING:
            return False
        self._set(one, InvitationStatus.ACCEPTED if accept else InvitationStatus.REJECTED)
        return True

    async def end(self, invitation: str, by: Principal) -> Sequence[MountingSession] | None:
        """End from either side; what is in `mounting` goes on."""
        one = self.invitations.get(invitation)
        if one is None or not self._concerns(one, by) or one.status not in _LIVE:
            return None
        pending = one.status is InvitationStatus.PENDING
        if one.invitee == by.user:
            self._set(one, InvitationStatus.REJECTED if pending else InvitationStatus.LEFT)
        else:
            self._set(one, InvitationStatus.CANCELLED if pending else InvitationStatus.REVOKED)
        return self.mounting

    def _concerns(self, one: InvitationView, by: Principal) -> bool:
        return by.is_admin or by.user in {self._rows.rows[one.folder].owner, one.invitee}

    def _set(self, one: InvitationView, status: InvitationStatus) -> None:
        self.invitations[one.id] = msgspec.structs.replace(one, status=status)
        place = (one.folder, one.invitee)
        if status is InvitationStatus.ACCEPTED:
            self._rows.shares[place] = one.permission
        else:
            self._rows.shares.pop(place, None)
