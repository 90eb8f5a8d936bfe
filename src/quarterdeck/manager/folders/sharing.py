"""Folders that several use: invitations, which their users accept or reject, and what storage hosts allow."""

from collections.abc import Sequence

from msgspec import structs

from quarterdeck.base import ids
from quarterdeck.base.clock import Clock
from quarterdeck.manager.folders import errors, model, ports
from quarterdeck.manager.folders.gate import Gate
from quarterdeck.manager.identity.errors import UserNotFound
from quarterdeck.manager.identity.model import Principal
from quarterdeck.wire import folders
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.folders import (
    HostPermission,
    InvitationStatus,
    InvitationView,
    Permission,
)

_WERE_SHARES = (InvitationStatus.REVOKED, InvitationStatus.LEFT)


class Sharing:
    """The use cases of invitations. An invitation of others does not exist."""

    def __init__(
        self,
        shares: ports.Shares,
        gate: Gate,
        *,
        rules: ports.HostRules,
        clock: Clock,
    ) -> None:
        self._shares = shares
        self._gate = gate
        self._rules = rules
        self._clock = clock

    async def invite(
        self, by: Principal, folder: str, given: folders.FolderInvite
    ) -> InvitationView:
        """Invite a user to a folder.

        Raises `FolderNotFound`, `PermissionMissing`, `HostForbids`, `UserNotFound`, `Invalid`, `InvitationExists`, `TooManyInvitations`.
        """
        view = await self._gate.admit(by, folder, Permission.OWN, HostPermission.INVITE)
        invitee = await find_user(self._shares, given.user)
        if invitee == view.owner:
            raise Invalid("user", "The folder is theirs")
        id_ = ids.new(self._clock)
        await self._shares.invite(id_, view, by.user, (invitee, given.permission.value))
        return await self.get(by, id_)

    async def get(self, by: Principal, invitation: str) -> InvitationView:
        """Return an invitation that the user gave or got. Raises `InvitationNotFound`."""
        view = await self._shares.view(invitation, by)
        if view is None:
            raise errors.InvitationNotFound
        return view

    async def of_folder(self, by: Principal, folder: str) -> Sequence[InvitationView]:
        """Return the open invitations to a folder and its shares. Raises `FolderNotFound`, `PermissionMissing`."""
        return await self._shares.of_folder(
            (await self._gate.admit(by, folder, Permission.OWN)).id
        )

    async def of_user(self, by: Principal) -> Sequence[InvitationView]:
        """Return what the user is invited to, and what they have accepted."""
        return await self._shares.of_user(by.user)

    async def answer(self, by: Principal, invitation: str, *, accept: bool) -> InvitationView:
        """Accept or reject an invitation. Raises `InvitationNotFound`, `InvitationAnswered`."""
        answered = await self._shares.answer(invitation, by.user, accept=accept)
        return await self._ended(by, invitation, done=answered)

    async def end(self, by: Principal, invitation: str) -> InvitationView:
        """End an invitation or a share: who owns the folder cancels or revokes it, who is invited rejects or leaves it.

        The view of a share tells what goes on. Raises `InvitationNotFound`, `InvitationAnswered`.
        """
        left = await self._shares.end(invitation, by)
        view = await self._ended(by, invitation, done=left is not None)
        if left is None or view.status not in _WERE_SHARES:
            return view
        until = model.shared_tokens_end(self._clock.now())
        return structs.replace(view, tokens_until=until, sessions=tuple(left))

    async def hosts(self, by: Principal) -> Sequence[folders.HostAccess]:
        """Return all storage hosts with what they allow to the user."""
        return await self._gate.hosts(by)

    async def allow(
        self, by: Principal, host: str, role: str, given: folders.HostPermissions
    ) -> None:
        """Set what a storage host allows to a role. Raises `AdministratorsOnly`, `HostNotFound`."""
        if not by.is_admin:
            raise errors.AdministratorsOnly
        if host not in {each.name for each in await self._gate.hosts(by)}:
            raise errors.HostNotFound(f"There is no storage host {host!r}", field="host")
        await self._rules.allow(host, role, given.permissions)

    async def _ended(self, by: Principal, invitation: str, *, done: bool) -> InvitationView:
        view = await self.get(by, invitation)
        if not done:
            is_open = view.status is InvitationStatus.PENDING
            raise errors.InvitationAnswered(
                "The invitation is not yours to answer"
                if is_open
                else f"The invitation is {view.status} already"
            )
        return view


async def find_user(shares: ports.Shares, user: str) -> str:
    """Return the id of a user by name or id. Raises `UserNotFound`."""
    found = await shares.find_user(user)
    if found is None:
        raise UserNotFound(f"There is no user {user!r}", field="user")
    return found
