"""Folders over fakes: a row and a tree together or neither, whatever the storage answers."""

import pytest

from quarterdeck.base.config import Secret
from quarterdeck.infra.errors import DatabaseUnavailable, EtcdUnavailable
from quarterdeck.manager.folders import errors
from quarterdeck.manager.folders.gate import Gate
from quarterdeck.manager.folders.reach import Storages
from quarterdeck.manager.folders.removals import TreeRemoval
from quarterdeck.manager.folders.service import FolderService
from quarterdeck.manager.identity.model import Principal
from quarterdeck.testing.fakes.clock import FakeClock
from quarterdeck.testing.fakes.folders import FakeFolders, FakeHosts, FakeRules, FakeTrees
from quarterdeck.wire import tokens
from quarterdeck.wire.folders import FolderCreate, FolderDelete, FolderStatus, Right, TokenRequest
from quarterdeck.wire.users import Role

FOR_GOOD = FolderDelete(purge=True)
ADA, BOB = Principal("ada", Role.USER), Principal("bob", Role.USER)


class World:
    """Folders on fakes."""

    def __init__(self):
        self.rows, self.trees, self.clock = FakeFolders(), FakeTrees(), FakeClock()
        self.rules = FakeRules()
        storages = Storages(FakeHosts(), self.trees)
        self.removal = TreeRemoval(self.rows, storages)
        self.service = FolderService(
            self.rows,
            self.rows,
            Gate(self.rows, self.rules),
            storages=storages,
            removal=self.removal,
            clock=self.clock,
            token_key=Secret("key"),
        )

    async def make(self, name="data"):
        return await self.service.create(ADA, FolderCreate(name))

    @property
    def traces(self):
        return (len(self.rows.rows), len(self.trees.trees), len(self.rows.removals))


async def test_folder_has_a_row_and_a_tree():
    world = World()
    view = await world.make()
    assert view.status is FolderStatus.READY
    assert world.trees.trees == {view.id}


@pytest.mark.parametrize(
    "failure", [errors.StorageUnreachable(), errors.StorageRefused(), errors.HostNotFound()]
)
async def test_storage_that_did_nothing_leaves_nothing(failure):
    world = World()
    world.trees.failure = failure
    with pytest.raises(type(failure)):
        await world.make()
    assert world.traces == (0, 0, 0)


async def test_tree_of_a_storage_that_answers_unclearly_is_removed_later():
    world = World()
    world.trees.failure, world.trees.late = errors.StorageUnsure(), True
    with pytest.raises(errors.StorageUnsure):
        await world.make()
    assert world.traces == (0, 1, 1)
    world.trees.failure = None
    await world.removal.run()
    assert world.traces == (0, 0, 0)


async def test_deleted_folder_takes_its_tree_along():
    world = World()
    view = await world.make()
    await world.service.delete(ADA, view.id, FOR_GOOD)
    assert world.traces == (0, 0, 0)


async def test_purge_goes_on_by_itself_when_the_storage_is_back():
    world = World()
    view = await world.make()
    world.trees.failure = errors.StorageUnreachable()
    left = await world.service.delete(ADA, view.id, FOR_GOOD)
    assert (left.status, left.detail) == (
        FolderStatus.DELETE_ERROR,
        str(errors.StorageUnreachable()),
    )
    assert world.traces == (1, 1, 1)
    world.trees.failure = None
    await world.removal.run()
    assert world.traces == (0, 0, 0)


@pytest.mark.parametrize("failure", [EtcdUnavailable(), DatabaseUnavailable()])
async def test_purge_is_not_forgotten_whatever_goes_wrong(failure):
    world = World()
    view = await world.make()
    world.trees.failure = failure
    await world.service.delete(ADA, view.id, FOR_GOOD)
    assert world.traces == (1, 1, 1)
    world.trees.failure = None
    assert (await world.service.purge(ADA, view.id)).status is FolderStatus.GONE
    assert [status for _, status in world.rows.steps][-3:] == ["DELETE_ERROR", "PURGING", "GONE"]


async def test_purge_ends_though_its_removal_can_be_neither_noted_nor_postponed(
    monkeypatch,
):
    async def fail(*_):
        raise DatabaseUnavailable

    world = World()
    view = await world.make()
    for name in ("done", "postpone"):
        monkeypatch.setattr(world.rows, name, fail)
    await world.service.delete(ADA, view.id, FOR_GOOD)
    assert world.traces == (1, 0, 1)


async def test_one_removal_that_fails_holds_up_no_other(monkeypatch):
    world = World()
    views = [await world.make(name) for name in "abc"]
    remove = world.trees.remove

    async def fail_one(host, tree):
        if tree == views[0].id:
            raise EtcdUnavailable
        await remove(host, tree)

    monkeypatch.setattr(world.trees, "remove", fail_one)
    for view in views:
        await world.rows.trash(view, "ada")
        await world.rows.purge(view, "ada")
    await world.removal.run()
    assert list(world.rows.removals) == [views[0].id]


@pytest.mark.parametrize("failure", [EtcdUnavailable(), DatabaseUnavailable()])
async def test_creation_with_an_unexpected_end_leaves_no_row(failure):
    world = World()
    world.trees.failure, world.trees.late = failure, True
    with pytest.raises(type(failure)):
        await world.make()
    assert world.traces == (0, 1, 1)


async def test_mounted_folder_stays():
    world = World()
    view = await world.make()
    world.rows.mounted.add(view.id)
    with pytest.raises(errors.FolderMounted):
        await world.service.delete(ADA, view.id, FOR_GOOD)
    assert world.traces == (1, 1, 0)


async def test_unknown_host_is_refused_before_anything_is_written():
    world = World()
    with pytest.raises(errors.HostNotFound):
        await world.service.create(ADA, FolderCreate("data", "nowhere"))
    assert world.traces == (0, 0, 0)


async def test_taken_name_is_refused_and_the_folder_keeps_its_tree():
    world = World()
    await world.make()
    with pytest.raises(errors.FolderNameTaken):
        await world.make()
    assert world.traces == (1, 1, 0)


async def test_folder_of_another_does_not_exist():
    world = World()
    view = await world.make()
    for attempt in (
        world.service.get(BOB, view.id),
        world.service.delete(BOB, view.id, FOR_GOOD),
        world.service.grant(BOB, view.id, TokenRequest(Right.READ)),
    ):
        with pytest.raises(errors.FolderNotFound):
            await attempt
    assert world.traces == (1, 1, 0)


async def test_grant_names_one_tree_one_right_one_deadline():
    world = World()
    view = await world.make()
    granted = await world.service.grant(ADA, view.id, TokenRequest(Right.READ))
    token = tokens.verify(granted.token, "key", world.clock.now())
    assert (token.tree, token.host, token.right) == (view.id, "local", Right.READ)
    assert token.user == ADA.user
    assert token.exp == int(granted.expires_at.timestamp())


async def test_owner_deleted_meanwhile_leaves_no_folder():
    def goodbye():
        world.rows.rows.clear()
        world.rows.deleted_owners.add("ada")

    world = World()
    world.trees.meanwhile = goodbye
    with pytest.raises(errors.OwnerGone):
        await world.make()
    assert world.traces == (0, 1, 1)


async def test_creation_given_up_meanwhile_leaves_no_tree_for_good():
    world = World()
    world.trees.meanwhile = world.rows.rows.clear
    with pytest.raises(errors.CreationGivenUp):
        await world.make()
    await world.removal.run()
    assert world.traces == (0, 0, 0)
