"""Clones over fakes: both folders READY, or the clone gone and its source READY, whatever the storage says."""

import asyncio

import pytest

from quarterdeck.base import tasks
from quarterdeck.manager.folders import errors, model
from quarterdeck.manager.folders.cloning import Cloning
from quarterdeck.manager.folders.gate import Gate
from quarterdeck.manager.folders.reach import Storages
from quarterdeck.manager.identity.model import Principal
from quarterdeck.testing.fakes.clock import FakeClock
from quarterdeck.testing.fakes.clones import FakeClones
from quarterdeck.testing.fakes.folders import FakeFolders, FakeHosts, FakeRules, FakeTrees
from quarterdeck.wire.folders import FolderClone, FolderCreate, HostPermission, Permission
from quarterdeck.wire.states import FolderStatus
from quarterdeck.wire.users import Role

ADA, BOB = Principal("ada", Role.USER), Principal("bob", Role.USER)
SOURCE = "source"


class World:
    """Clones on fakes, and a folder."""

    def __init__(self):
        self.rows, self.trees, self.rules = FakeFolders(), FakeTrees(), FakeRules()
        self.clones = FakeClones(self.rows)
        storages, gate = Storages(FakeHosts(), self.trees), Gate(self.rows, self.rules)
        self.cloning = Cloning(self.clones, gate, storages, clock=FakeClock())

    async def prepare(self):
        await self.rows.insert(SOURCE, "ada", FolderCreate("data"))
        await self.rows.ready(SOURCE)
        self.trees.trees.add(SOURCE)

    async def clone(self, by=ADA, name="copy"):
        """Ask for a clone while a loop works."""
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(self.cloning.clone(by, SOURCE, FolderClone(name)))
            group.create_task(self._work())
        return asked.result()

    async def _work(self):
        await self.cloning.wake.wait(1)
        await self.cloning.run()

    @property
    def states(self):
        return sorted((row.name, row.status.value) for row in self.rows.rows.values())


async def test_clone_is_a_folder_like_its_source():
    world = World()
    await world.prepare()
    view = await world.clone()
    assert (view.name, view.owner, view.status) == ("copy", "ada", FolderStatus.READY)
    assert world.states == [("copy", "READY"), ("data", "READY")]
    assert world.trees.trees == {SOURCE, view.id}


@pytest.mark.parametrize(
    "failure", [errors.StorageUnreachable(), errors.StorageFull(), errors.StorageUnsure()]
)
async def test_clone_that_the_storage_does_not_make_is_given_up_and_why_is_told(failure):
    world = World()
    await world.prepare()
    world.trees.failure = failure
    with pytest.raises(ExceptionGroup) as group:
        await world.clone()
    assert group.group_contains(type(failure))
    assert world.states == [("data", "READY")]
    assert len(world.rows.removals) == 1
    assert world.clones.may_come is isinstance(failure, errors.StorageUnsure)


async def slow(*_):
    await asyncio.Event().wait()


async def test_clone_that_another_manager_has_taken_is_left_to_it(monkeypatch):
    world = World()
    await world.prepare()
    world.clones.lost = True
    monkeypatch.setattr(world.trees, "clone", slow)
    view = world.rows.rows[SOURCE]
    clone = model.Clone("clone", SOURCE, "local", "ada")
    await world.clones.begin(clone, view, "ada", "copy")
    await world.cloning.run()
    assert world.states == [("copy", "CREATING"), ("data", "CLONING")]


async def test_loop_that_finds_a_copy_to_make_wakes_the_others(monkeypatch):
    """Only one loop looks by itself. Let others wait to be woken, leave two copies as a dead manager does, and look once: both are made at the same time."""
    world = World()
    both, sources = asyncio.Barrier(2), set()

    async def made(_, clone):
        sources.add(clone.source)
        await both.wait()

    monkeypatch.setattr(world.trees, "clone", made)
    async with asyncio.timeout(20), tasks.background() as background:
        background.start(tasks.every(3600, world.cloning.run, name="c", wake=world.cloning.wake))
        await tasks.pause(0)
        for name in ("one", "two"):
            await world.rows.insert(name, "ada", FolderCreate(name))
            await world.rows.ready(name)
            clone = model.Clone(f"clone of {name}", name, "local", "ada")
            await world.clones.begin(clone, world.rows.rows[name], "ada", f"copy of {name}")
        await world.cloning.run()
    assert sources == {"one", "two"}


async def test_copy_that_is_made_when_its_folder_is_gone_is_removed(monkeypatch):
    world = World()
    await world.prepare()
    made = world.trees.clone

    async def gone_meanwhile(host, clone):
        world.clones.delete(clone)
        await made(host, clone)

    monkeypatch.setattr(world.trees, "clone", gone_meanwhile)
    clone = model.Clone("clone", SOURCE, "local", "ada")
    await world.clones.begin(clone, world.rows.rows[SOURCE], "ada", "copy")
    await world.cloning.run()
    assert world.states == [("data", "READY")]
    assert world.rows.removals == {"clone": clone.tree}


@pytest.mark.parametrize(
    ("permission", "taken", "refusal"),
    [
        (None, None, errors.FolderNotFound),
        (Permission.READ, HostPermission.CREATE, errors.HostForbids),
    ],
)
async def test_who_may_not_clone_changes_nothing(permission, taken, refusal):
    world = World()
    await world.prepare()
    world.rules.rules["local", Role.USER] = frozenset(HostPermission) - {taken}
    if permission is not None:
        world.rows.shares[SOURCE, "bob"] = permission
    with pytest.raises(refusal):
        await world.cloning.clone(BOB, SOURCE, FolderClone("copy"))
    assert world.states == [("data", "READY")]


async def test_name_that_is_taken_leaves_the_source_ready():
    world = World()
    await world.prepare()
    with pytest.raises(errors.FolderNameTaken):
        await world.cloning.clone(ADA, SOURCE, FolderClone("data"))
    assert world.states == [("data", "READY")]
