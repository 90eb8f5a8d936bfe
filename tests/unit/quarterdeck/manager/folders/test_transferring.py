"""Transfers over fakes: the tree counts for whose folder it is in the end, whatever the storage says and whoever comes in between."""

import pytest

from quarterdeck.manager.folders import errors, model
from quarterdeck.manager.folders.gate import Gate
from quarterdeck.manager.folders.reach import Storages
from quarterdeck.manager.folders.transferring import Transferring
from quarterdeck.manager.identity.errors import UserNotFound
from quarterdeck.manager.identity.model import Principal
from quarterdeck.testing.fakes.folders import FakeFolders, FakeHosts, FakeRules, FakeTrees
from quarterdeck.testing.fakes.shares import FakeShares
from quarterdeck.testing.fakes.transfers import FakeTransfers
from quarterdeck.wire.folders import FolderCreate, FolderTransfer, Permission
from quarterdeck.wire.users import Role

ADA, BOB = Principal("ada", Role.USER), Principal("bob", Role.USER)
FOLDER = "folder"


class World:
    """Transfers on fakes, and a folder of ada's."""

    def __init__(self):
        self.rows, self.trees = FakeFolders(), FakeTrees()
        self.transfers = FakeTransfers(self.rows)
        self.transferring = Transferring(
            self.transfers,
            Gate(self.rows, FakeRules()),
            Storages(FakeHosts(), self.trees),
            shares=FakeShares(self.rows),
        )

    async def prepare(self):
        await self.rows.insert(FOLDER, "ada", FolderCreate("data"))
        await self.rows.ready(FOLDER)
        self.trees.scopes[FOLDER] = "ada"

    async def transfer(self, by=ADA, user="bob"):
        return await self.transferring.transfer(by, FOLDER, FolderTransfer(user))

    @property
    def sides(self):
        """Who owns the folder, for whom its tree counts, and whether somebody has it in hand."""
        return self.rows.rows[FOLDER].owner, self.trees.scopes[FOLDER], bool(self.transfers.held)


async def test_folder_and_its_tree_change_hands():
    world = World()
    await world.prepare()
    assert (await world.transfer()).owner == "bob"
    assert world.sides == ("bob", "bob", False)


async def test_own_folder_given_to_oneself_stays_as_it_is():
    world = World()
    await world.prepare()
    assert (await world.transfer(user="ada")).owner == "ada"
    assert world.sides == ("ada", "ada", False)


@pytest.mark.parametrize(
    "failure",
    [errors.StorageUnreachable(), errors.StorageRefused("no"), errors.QuotaExceeded("12 bytes")],
)
async def test_what_the_storage_did_not_do_changes_nothing(failure):
    world = World()
    await world.prepare()
    world.trees.failure = failure
    with pytest.raises(type(failure)) as refused:
        await world.transfer()
    assert world.sides == ("ada", "ada", False)
    assert "12" not in str(refused.value)


@pytest.mark.parametrize("failure", [errors.StorageUnsure(), errors.StorageBrokeOff("broken")])
async def test_tree_of_which_nobody_knows_is_put_right(failure):
    """A disk may fail after the note was written. Let it be moved all the same; it is put right as soon as the storage answers."""
    world = World()
    await world.prepare()
    world.trees.failure, world.trees.late = failure, True
    with pytest.raises(type(failure)):
        await world.transfer()
    assert world.sides == ("ada", "bob", True)
    world.trees.late = False
    await world.transferring.run()
    assert world.sides == ("ada", "bob", True)
    world.trees.failure = None
    await world.transferring.run()
    assert world.sides == ("ada", "ada", False)


async def test_folder_that_changed_meanwhile_keeps_its_tree():
    """Also where there is no room for it any more."""
    world = World()
    await world.prepare()
    world.trees.full_scopes.add("ada")
    world.transfers.meanwhile = errors.FolderMounted
    with pytest.raises(errors.FolderMounted):
        await world.transfer()
    assert world.sides == ("ada", "bob", True)
    assert await world.transferring.wake.wait(0)
    await world.transferring.run()
    assert world.sides == ("ada", "ada", False)


async def test_storage_without_the_tree_is_asked_no_more():
    world = World()
    await world.prepare()
    world.transfers.held[FOLDER] = model.Rescope(model.Tree(FOLDER, "local"), "bob", 1)
    world.trees.failure = errors.TreeMissing()
    await world.transferring.run()
    assert world.sides == ("ada", "ada", False)


async def test_only_owners_give_away_and_only_to_users():
    world = World()
    await world.prepare()
    world.rows.shares[FOLDER, "bob"] = Permission.DELETE
    with pytest.raises(errors.PermissionMissing):
        await world.transfer(BOB)
    with pytest.raises(UserNotFound):
        await world.transfer(user="nobody")
    assert world.sides == ("ada", "ada", False)
