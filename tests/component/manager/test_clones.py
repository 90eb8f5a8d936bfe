"""Clones in the database, without a manager that works on them: a claim that is lost does nothing, and no source stays CLONING for ever."""

import uuid
from datetime import UTC, datetime

import pytest

from quarterdeck.manager.folders import model
from quarterdeck.manager.folders.clones_store import CloneStore
from quarterdeck.manager.folders.store import FolderStore
from quarterdeck.manager.identity.store import UserStore
from quarterdeck.wire.folders import FolderCreate, FolderView
from quarterdeck.wire.states import FolderStatus
from quarterdeck.wire.users import Role, UserCreate

HOST = "nowhere"


class Books:
    """Ada's folder `data` and, once it is begun, Bob's clone `copy` of it."""

    def __init__(self, database):
        self.database = database
        self.folders, self.users = FolderStore(database), UserStore(database)
        self.ada, self.bob, self.data, self.copy = (str(uuid.uuid4()) for _ in range(4))

    def manager(self, name):
        return CloneStore(self.database, name)

    async def begin(self):
        for id_, name in ((self.ada, "ada"), (self.bob, "bob")):
            await self.users.insert(id_, UserCreate(name, Role.USER), f"key-{name}")
        given = FolderCreate("data", HOST)
        await self.folders.insert(self.data, self.ada, given)
        await self.folders.ready(self.data)
        await self.clone(self.copy, self.bob, "copy")

    async def clone(self, id_, owner, name):
        """Begin a clone of `data`."""
        view = FolderView(
            id=self.data,
            name="data",
            owner=self.ada,
            host=HOST,
            status=FolderStatus.READY,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        clone = model.Clone(id_, self.data, HOST, owner)
        await self.manager("a").begin(clone, view, owner, name)

    async def run_out(self):
        """Let the claim be over."""
        await self.database.execute(
            "UPDATE folders SET claimed_until = now() - interval '1 second' WHERE name = 'copy'"
        )

    async def states(self):
        rows = await self.database.fetch("SELECT name, status FROM folders")
        return {row["name"]: row["status"] for row in rows}

    async def is_removed(self):
        """Let the clone's tree be due, and removed; tell whether it is forgotten."""
        await self.database.execute("UPDATE tree_removals SET not_before = now()")
        assert [tree.id for tree in await self.folders.due()] == [self.copy]
        await self.folders.done(model.Tree(self.copy, HOST))
        assert await self.folders.due() == []
        return await self.to_be_removed() == []

    async def to_be_removed(self):
        rows = await self.database.fetch("SELECT tree::text FROM tree_removals")
        return [row["tree"] for row in rows]


@pytest.fixture
def books(scratch):
    """Folders in the database."""
    return Books(scratch)


@pytest.mark.parametrize("other", ["a", "b"])
async def test_claim_that_is_lost_takes_no_files_from_a_clone(books, other):
    """Behaviour 41: whoever stood still changes nothing. Lose a claim, to another manager or to one's own; let it end well and badly; look at rows."""
    await books.begin()
    late = await books.manager("a").claim()
    await books.run_out()
    taken = await books.manager(other).claim()
    assert not await books.manager("a").hold(late)
    await books.manager("a").abandon(late, may_come=True)
    assert not await books.manager("a").finish(late)
    assert await books.states() == {"data": "CLONING", "copy": "CREATING"}
    assert await books.manager(other).hold(taken)
    assert await books.manager(other).finish(taken)
    assert not await books.manager("a").finish(late)
    await books.manager("a").abandon(late, may_come=True)
    assert await books.states() == {"data": "READY", "copy": "READY"}
    assert await books.to_be_removed() == []


async def test_tree_of_a_folder_that_is_used_is_never_due(books):
    """Behaviour 46: a mistake costs no files. Ask for the removal of trees that have their folders; look at what is due."""
    await books.begin()
    for tree in (books.data, books.copy):
        await books.database.execute(
            "INSERT INTO tree_removals (tree, host) VALUES (%(tree)s, 'nowhere')", {"tree": tree}
        )
    assert await books.folders.due() == []


async def test_folder_that_is_ready_is_not_abandoned(books):
    """Behaviour 46: whoever did not hear that it became READY takes no files from it. Abandon it late; look at what is to be removed."""
    await books.begin()
    await books.folders.abandon(model.Tree(books.data, HOST), perhaps_created=True)
    assert await books.to_be_removed() == []


async def test_source_is_free_when_the_owner_of_the_clone_is_deleted(books):
    """Behaviour 41: no folder is CLONING for ever. Delete who has a folder cloned; the source is READY, a copy that ends later is removed."""
    await books.begin()
    claim = await books.manager("a").claim()
    await books.users.delete(books.bob)
    assert await books.states() == {"data": "READY"}
    assert await books.folders.due() == []
    assert await books.manager("a").hold(claim)
    assert not await books.manager("a").finish(claim)
    assert [tree.id for tree in await books.folders.due()] == [books.copy]


async def test_new_clone_of_a_source_outlives_an_old_one(books):
    """Behaviour 41: the source is CLONING for the clone that is made now. Delete who has one made, begin another; let the first fail late; look at the source."""
    await books.begin()
    first = await books.manager("a").claim()
    await books.users.delete(books.bob)
    await books.clone(str(uuid.uuid4()), books.ada, "again")
    await books.manager("a").abandon(first, may_come=True)
    assert await books.states() == {"data": "CLONING", "again": "CREATING"}


async def test_tree_of_a_copy_that_nobody_waits_for_is_removed_whenever_it_comes(books):
    """Behaviour 41: no tree is left to nobody. Delete who has a folder cloned, let the manager be dead; the removal is repeated until no copy can come."""
    await books.begin()
    await books.manager("a").claim()
    await books.users.delete(books.bob)
    for _ in range(2):
        assert not await books.is_removed()
    await books.database.execute("UPDATE tree_removals SET may_come_until = now()")
    assert await books.is_removed()


@pytest.mark.parametrize("may_come", [True, False])
async def test_tree_of_a_copy_that_failed_is_removed_as_long_as_it_may_come(books, may_come):
    """Behaviour 41: an answer that was lost is no end of the copying. Give a clone up with and without knowing that it has ended; look at what is left."""
    await books.begin()
    await books.manager("a").abandon(await books.manager("a").claim(), may_come=may_come)
    assert await books.is_removed() is not may_come


async def test_copy_that_ends_tells_nothing_of_another_one(books):
    """Behaviour 41: a lost claim's copy and the next one's are two. Give the second up without knowing of its end, let the first end well; the
    second's tree is removed whenever it comes.
    """
    await books.begin()
    late = await books.manager("a").claim()
    await books.run_out()
    await books.manager("b").abandon(await books.manager("b").claim(), may_come=True)
    assert not await books.manager("a").finish(late)
    assert not await books.is_removed()


async def test_tree_of_a_copy_that_has_ended_is_removed_once(books):
    """Behaviour 41: a manager that lives says when the copying ends. Delete who has a folder cloned; let the clone end; look at what is left."""
    await books.begin()
    claim = await books.manager("a").claim()
    await books.users.delete(books.bob)
    assert not await books.manager("a").finish(claim)
    assert await books.is_removed()
