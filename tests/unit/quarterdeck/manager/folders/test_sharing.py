"""Shares over fakes: who may what, from both sides, and mounts and tokens that agree with them."""

from datetime import timedelta

import pytest

from quarterdeck.manager.folders import errors
from quarterdeck.manager.folders.gate import Gate
from quarterdeck.manager.folders.mounting import Mounting
from quarterdeck.manager.folders.reach import Storages
from quarterdeck.manager.folders.sharing import Sharing
from quarterdeck.manager.identity.errors import UserNotFound
from quarterdeck.manager.identity.model import Principal
from quarterdeck.testing.fakes.clock import FakeClock
from quarterdeck.testing.fakes.folders import FakeFolders, FakeHosts, FakeRules, FakeTrees
from quarterdeck.testing.fakes.shares import FakeShares
from quarterdeck.wire import tokens
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.folders import (
    FolderCreate,
    FolderInvite,
    HostPermission,
    HostPermissions,
    MountingSession,
    Permission,
)
from quarterdeck.wire.sessions import Mount
from quarterdeck.wire.states import FolderStatus
from quarterdeck.wire.users import Role

ADA, BOB, CY = (Principal(name, Role.USER) for name in ("ada", "bob", "cy"))
ROOT = Principal("root", Role.ADMIN)
FOLDER = "00000000-0000-7000-8000-000000000001"


class World:
    """Shares on fakes, and a folder of ada's."""

    def __init__(self):
        self.rows, self.rules = FakeFolders(), FakeRules()
        self.shares = FakeShares(self.rows)
        gate = Gate(self.rows, self.rules)
        self.mounting = Mounting(gate, Storages(FakeHosts(), FakeTrees()))
        self.sharing = Sharing(self.shares, gate, rules=self.rules, clock=FakeClock())

    async def shared(self, permission):
        """Ada's folder with bob, who has accepted."""
        await self.rows.insert(FOLDER, "ada", FolderCreate("data"))
        await self.rows.ready(FOLDER)
        made = await self.sharing.invite(ADA, FOLDER, FolderInvite("bob", permission))
        return await self.sharing.answer(BOB, made.id, accept=True)


@pytest.mark.parametrize("permission", ["read", "write", "delete"])
async def test_mount_is_for_what_the_share_is(permission):
    world = World()
    await world.shared(Permission(permission))
    (source,) = await world.mounting.sources(BOB, [Mount(FOLDER, "in", read_only=True)])
    assert source == f"/trees/{FOLDER}"
    writing = world.mounting.sources(BOB, [Mount(FOLDER, "in")])
    if permission != "read":
        assert await writing == (source,)
        return
    with pytest.raises(errors.PermissionMissing) as refused:
        await writing
    assert refused.value.field == "mounts.0.read_only"


async def test_mount_of_what_is_not_shared_names_the_field():
    world = World()
    await world.shared(Permission.READ)
    with pytest.raises(errors.FolderNotFound) as refused:
        await world.mounting.sources(CY, [Mount(FOLDER, "in")])
    assert refused.value.field == "mounts.0.folder"


@pytest.mark.parametrize("status", [FolderStatus.CLONING, FolderStatus.TRASHED])
async def test_folder_that_is_cloned_or_trashed_is_not_mounted_to_write(status):
    world = World()
    await world.shared(Permission.WRITE)
    world.rows._set(FOLDER, status)
    with pytest.raises(errors.FolderNotReady):
        await world.mounting.sources(ADA, [Mount(FOLDER, "in")])
    reading = world.mounting.sources(ADA, [Mount(FOLDER, "in", read_only=True)])
    if status is FolderStatus.CLONING:
        assert await reading
        return
    with pytest.raises(errors.FolderNotReady):
        await reading


async def test_owner_ends_a_share_and_invitee_leaves_it():
    world = World()
    share = await world.shared(Permission.READ)
    world.shares.mounting.append(MountingSession(id="s", name="fit", read_only=True))
    ended = await world.sharing.end(ADA, share.id)
    assert (ended.status, ended.sessions) == ("REVOKED", tuple(world.shares.mounting))
    assert ended.tokens_until == FakeClock().now() + timedelta(seconds=tokens.SHARED_SECONDS)
    assert (await world.sharing.get(ADA, share.id)).tokens_until is None
    again = await world.sharing.invite(ADA, FOLDER, FolderInvite("bob"))
    await world.sharing.answer(BOB, again.id, accept=True)
    assert (await world.sharing.end(BOB, again.id)).status == "LEFT"
    with pytest.raises(errors.InvitationAnswered):
        await world.sharing.end(ADA, again.id)


async def test_others_see_no_invitation():
    world = World()
    share = await world.shared(Permission.DELETE)
    for attempt in (
        world.sharing.get(CY, share.id),
        world.sharing.end(CY, share.id),
        world.sharing.answer(CY, share.id, accept=True),
        world.sharing.get(ADA, "none"),
    ):
        with pytest.raises(errors.InvitationNotFound):
            await attempt


async def test_share_of_any_kind_does_not_share_further():
    world = World()
    await world.shared(Permission.DELETE)
    for attempt in (
        world.sharing.invite(BOB, FOLDER, FolderInvite("cy")),
        world.sharing.of_folder(BOB, FOLDER),
    ):
        with pytest.raises(errors.PermissionMissing):
            await attempt


async def test_invitation_is_for_another_who_is_there():
    world = World()
    await world.shared(Permission.READ)
    with pytest.raises(UserNotFound):
        await world.sharing.invite(ADA, FOLDER, FolderInvite("nobody"))
    with pytest.raises(Invalid):
        await world.sharing.invite(ADA, FOLDER, FolderInvite("ada"))
    with pytest.raises(errors.InvitationExists):
        await world.sharing.invite(ADA, FOLDER, FolderInvite("bob"))
    with pytest.raises(Invalid):
        FolderInvite("bob", Permission.OWN)


async def test_only_administrators_say_what_hosts_allow():
    world = World()
    given = HostPermissions((HostPermission.MOUNT,))
    with pytest.raises(errors.AdministratorsOnly):
        await world.sharing.allow(ADA, "local", Role.USER, given)
    with pytest.raises(errors.HostNotFound):
        await world.sharing.allow(ROOT, "moon", Role.USER, given)
    await world.sharing.allow(ROOT, "local", Role.USER, given)
    assert (await world.sharing.hosts(ADA))[0].permissions == (HostPermission.MOUNT,)
