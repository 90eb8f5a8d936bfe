"""Folders that change owners: what they hold counts for the new one, or nothing has changed, whoever dies in between."""

import asyncio
import functools

import psycopg
import pytest

from quarterdeck.client.errors import ClientError, Refused
from quarterdeck.testing.folder_acts import outcome
from quarterdeck.testing.racing import split, together
from quarterdeck.testing.scopes import Scope
from shakeout.faults import lifecycle
from shakeout.faults.process import Pause
from shakeout.links.behaviour import Behaviour
from shakeout.waiting.until import until

MIB = 1 << 20
RIGHT_SECONDS_MAX = 45
LEFT = "SELECT count(*) FROM tree_rescopes WHERE tree = %s"


class Sides:
    """The two users of a transfer, what counts for each, and what the disk holds."""

    def __init__(self, platform, observe, user, other):
        url = platform.address("storage-proxy.http")
        self.mine, self.theirs = Scope(url, user.id), Scope(url, other.id)
        self.user, self.other, self.observe = user, other, observe

    async def limit(self, mine=64 * MIB, theirs=64 * MIB):
        await self.mine.limit(mine)
        await self.theirs.limit(theirs)

    async def filled(self, tmp_path, name="data", size=MIB):
        """A folder of the first user with a file of this size."""
        (tmp_path / name).write_bytes(bytes(size))
        folder = await self.user.folders.create(name)
        await folder.upload(tmp_path / name)
        return folder

    def owner(self, folder):
        """Who owns the folder by the database; for whom it counts by the disk is the same, unless it is told."""
        owner = self.observe.value("SELECT owner_id::text FROM folders WHERE id = %s", folder.id)
        assert self.observe.scope(folder.id) == owner
        return {self.user.id: self.user, self.other.id: self.other}[owner]

    async def require_exact(self):
        """What counts for each user is what lies in the folders that the user owns."""
        for user, scope in ((self.user, self.mine), (self.other, self.theirs)):
            rows = self.observe.rows("SELECT id::text FROM folders WHERE owner_id = %s", user.id)
            files = [data for row in rows for data in self.observe.content(row["id"]).values()]
            assert await scope.used() == (sum(map(len, files)), len(files))


@pytest.fixture
def sides(platform, observe, user, other_user):
    """Both users."""
    return Sides(platform, observe, user, other_user)


async def refused(attempt):
    with pytest.raises(Refused) as refusal:
        await attempt
    return refusal.value


async def test_what_a_folder_holds_counts_for_its_new_owner(sides, tmp_path):
    """A user is a quota scope. Give a folder away; the old owner has room again, the new one less. Compare figures, notes and disk."""
    await sides.limit(MIB, 2 * MIB)
    folder = await sides.filled(tmp_path)
    await sides.require_exact()
    await folder.transfer(sides.other.view.name)
    assert sides.owner(folder) is sides.other
    await sides.require_exact()
    again = await sides.filled(tmp_path, "again")
    assert (await refused(again.upload(tmp_path / "again", "more"))).code == "quota-exceeded"
    theirs = await sides.other.folders.get(folder.id)
    await theirs.upload(tmp_path / "again", "second")
    assert (await refused(theirs.upload(tmp_path / "again", "third"))).code == "quota-exceeded"
    await sides.require_exact()


async def test_folder_is_not_given_to_who_has_no_room_for_it(sides, tmp_path):
    """Nobody's quota is filled beyond its limit by others. Give a byte more than fits, then room; look at rows, notes, figures and words."""
    await sides.limit(theirs=MIB - 1)
    folder = await sides.filled(tmp_path)
    name = sides.other.view.name
    refusal = await refused(folder.transfer(name))
    assert (refusal.status, refusal.code, refusal.field) == (507, "quota-exceeded", "user")
    assert refusal.detail == f"{name} has no room for the folder on 'local'"
    assert sides.owner(folder) is sides.user
    assert sides.observe.value(LEFT, folder.id) == 0
    await sides.require_exact()
    await sides.limit(theirs=MIB)
    await folder.transfer(name)
    assert sides.owner(folder) is sides.other
    await sides.require_exact()


@pytest.mark.links
async def test_manager_that_dies_in_the_middle_leaves_nothing_half_done(
    private_cluster, sides, observe, tmp_path
):
    """The tree counts for whose folder it is, whenever who dies. Stop the storage, kill the manager that has asked it, let both go on: the
    request is still heard. Let its time be over; look at rows, notes and figures. Then give it away.
    """
    await sides.limit()
    folder = await sides.filled(tmp_path)
    link = private_cluster.links.link("manager", "storage-proxy")
    async with lifecycle.injected(Pause("storage-proxy"), private_cluster, within=20):
        before = (await link.counters()).bytes_forth

        async def asked():
            return (await link.counters()).bytes_forth > before

        async with asyncio.TaskGroup() as group:
            giving = group.create_task(outcome(folder.transfer(sides.other.view.name)))
            await until(lambda: observe.value(LEFT, folder.id) == 1, within=10)
            await until(asked, within=10)
            await private_cluster.kill("manager")
        assert isinstance(giving.result(), ClientError)
        await private_cluster.start("manager")
    await until(lambda: observe.scope(folder.id) == sides.other.id, within=10)
    assert observe.value("SELECT owner_id::text FROM folders WHERE id = %s", folder.id) == (
        sides.user.id
    )
    with psycopg.connect(private_cluster.address("postgres")) as database:
        database.execute("UPDATE tree_rescopes SET not_before = now()")
    await until(lambda: observe.value(LEFT, folder.id) == 0, within=RIGHT_SECONDS_MAX)
    assert sides.owner(folder) is sides.user
    await sides.require_exact()
    await folder.transfer(sides.other.view.name)
    assert sides.owner(folder) is sides.other
    await sides.require_exact()


@pytest.mark.links
async def test_transfer_whose_answer_is_lost_is_put_right(
    private_cluster, sides, observe, tmp_path
):
    """An answer that is lost changes nothing but time. Lose the storage's; look at rows and note; let answers come."""
    await sides.limit()
    folder = await sides.filled(tmp_path)
    link = private_cluster.links.link("manager", "storage-proxy")
    await link.set(Behaviour.deaf_source())
    refusal = await refused(folder.transfer(sides.other.view.name))
    assert refusal.code in {"storage-unreachable", "outcome-unknown"}
    assert observe.value(LEFT, folder.id) == 1
    await link.restore()
    await until(lambda: observe.value(LEFT, folder.id) == 0, within=RIGHT_SECONDS_MAX)
    assert sides.owner(folder) is sides.user
    await sides.require_exact()


async def test_storage_that_is_away_gives_nothing_away(private_cluster, sides, observe, tmp_path):
    """A clean error and no change. Give away with the storage-proxy dead; start it; look, and give away."""
    folder = await sides.filled(tmp_path)
    await private_cluster.kill("storage-proxy")
    refusal = await refused(folder.transfer(sides.other.view.name))
    assert refusal.code == "storage-unreachable"
    assert observe.value(LEFT, folder.id) == 0
    await private_cluster.start("storage-proxy")
    assert sides.owner(folder) is sides.user
    name = sides.other.view.name
    await until(lambda: folder.transfer(name), within=20, satisfied=bool, retry_on=(Refused,))
    assert sides.owner(folder) is sides.other


async def test_transfers_that_race_end_one_way(sides, admin, tmp_path):
    """Two who give a folder to different users: one does. Give at once, also into the trash, many times; look at rows, notes and figures."""
    await sides.limit()
    for number in range(4):
        folder = await sides.filled(tmp_path, f"raced-{number}", size=10)
        seen = await admin.folders.get(folder.id)
        acts = [
            functools.partial(folder.transfer, sides.other.view.name),
            functools.partial(seen.transfer, sides.other.view.name),
            folder.trash,
        ]
        made, losers = split(await together(acts, first=number % 3))
        assert 1 <= len(made) <= 2
        assert set(losers) <= {"illegal-transition", "folder-not-found"}
        left = functools.partial(sides.observe.value, LEFT, folder.id)
        await until(left, within=10, satisfied=lambda rows: rows == 0)
        sides.owner(folder)
    await sides.require_exact()
