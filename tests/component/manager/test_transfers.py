"""Changes of owner in the database, without a storage: who stood still ends nothing, and no tree is left to nobody."""

import uuid
from datetime import UTC, datetime

import pytest

from quarterdeck.manager.folders import errors, model
from quarterdeck.manager.folders.lives_store import LifeStore
from quarterdeck.manager.folders.store import FolderStore
from quarterdeck.manager.folders.transfers_store import TransferStore
from quarterdeck.manager.identity.store import UserStore
from quarterdeck.wire.folders import FolderCreate, FolderView
from quarterdeck.wire.states import FolderStatus
from quarterdeck.wire.users import Role, UserCreate

HOST = "nowhere"


class Books:
    """Ada, Bob, and Ada's folder `data`."""

    def __init__(self, database):
        self.database = database
        self.folders, self.users = FolderStore(database), UserStore(database)
        self.transfers = TransferStore(database)
        self.ada, self.bob, self.data = (str(uuid.uuid4()) for _ in range(3))
        self.view = FolderView(
            id=self.data,
            name="data",
            owner=self.ada,
            host=HOST,
            status=FolderStatus.READY,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )

    async def begin(self):
        for id_, name in ((self.ada, "ada"), (self.bob, "bob")):
            await self.users.insert(id_, UserCreate(name, Role.USER), f"key-{name}")
        await self.folders.insert(self.data, self.ada, FolderCreate("data", HOST))
        await self.folders.ready(self.data)
        return await self.transfers.begin(self.view, self.bob)

    async def owner(self):
        rows = await self.database.fetch("SELECT owner_id::text FROM folders")
        return [row["owner_id"] for row in rows]

    async def in_hand(self):
        return [row["turn"] for row in await self.database.fetch("SELECT turn FROM tree_rescopes")]


@pytest.fixture
def books(scratch):
    """Folders in the database."""
    return Books(scratch)


async def test_transfer_that_was_given_up_is_not_finished(books):
    """Whoever stood still gives nothing away. Release a tree, put it right, then let the transfer end; look at the rows. The next one succeeds."""
    late = await books.begin()
    assert await books.transfers.due() == []
    await books.transfers.release(late)
    (right,) = await books.transfers.due()
    assert (right.tree, right.scope) == (model.Tree(books.data, HOST), books.ada)
    assert right.turn > late.turn
    for turn in (late, right):
        with pytest.raises(errors.TransferGivenUp):
            await books.transfers.finish(books.view, late, books.ada)
        await books.transfers.end(turn)
    assert (await books.owner(), await books.in_hand()) == ([books.ada], [])
    again = await books.transfers.begin(books.view, books.bob)
    assert again.turn > right.turn
    await books.transfers.finish(books.view, again, books.ada)
    assert (await books.owner(), await books.in_hand()) == ([books.bob], [])


async def test_folder_that_was_renamed_meanwhile_is_given_by_its_name_of_now(books):
    """A name that was seen before may have changed. Rename it to a name that Bob has; then give it by the old view: refused until Bob's is
    gone, and given by both names of now.
    """
    await books.transfers.end(await books.begin())
    theirs = str(uuid.uuid4())
    await books.folders.insert(theirs, books.bob, FolderCreate("other", HOST))
    await LifeStore(books.database).rename(books.view, "other", books.ada)
    with pytest.raises(errors.FolderNameTaken):
        await books.transfers.begin(books.view, books.bob)
    await books.folders.abandon(model.Tree(theirs, HOST), perhaps_created=False)
    first = await books.transfers.begin(books.view, books.bob)
    given = await books.transfers.finish(books.view, first, books.ada)
    assert (given.name, given.owner, given.owner_name) == ("other", books.bob, "bob")


async def test_folder_is_given_to_one_at_a_time(books):
    """A tree is in one hand. Begin a second transfer during the first, and while what it left waits; look at the row."""
    first = await books.begin()
    for _ in range(2):
        with pytest.raises(errors.FolderNotReady):
            await books.transfers.begin(books.view, books.bob)
        await books.transfers.release(first)
    assert await books.in_hand() == [first.turn]


async def test_tree_whose_folder_is_gone_is_forgotten(books):
    """Nobody asks for ever. Release a tree, delete the owner; look at what is due and left."""
    first = await books.begin()
    await books.users.delete(books.ada)
    with pytest.raises((errors.FolderNotFound, errors.OwnerGone)):
        await books.transfers.finish(books.view, first, books.ada)
    await books.transfers.release(first)
    assert await books.transfers.due() == []
    assert await books.in_hand() == []


async def test_tree_of_a_manager_that_died_is_put_right_later(books):
    """No transfer is half done for ever. Let the time of a transfer be over; it is due for who owns the folder, once, and again when that fails."""
    first = await books.begin()
    over = "UPDATE tree_rescopes SET not_before = now() - interval '1 second'"
    await books.database.execute(over)
    (second,) = await books.transfers.due()
    assert second.turn > first.turn
    assert await books.transfers.due() == []
    await books.transfers.postpone(second)
    assert await books.transfers.due() == []
    await books.database.execute(over)
    (third,) = await books.transfers.due()
    assert (third.scope, third.turn > second.turn) == (books.ada, True)
