"""Folders with a real manager and database and storage-proxies that pretend: row and tree together, or neither."""

import asyncio
import contextlib
import uuid

import psycopg
import pytest

from quarterdeck.client.errors import Refused
from quarterdeck.testing import manager_fixtures, racing
from quarterdeck.testing.folder_acts import refusal
from quarterdeck.wire.folders import FolderStatus
from shakeout.waiting.until import until

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ILIKE '%%folders%%'"
REVOKE = "UPDATE folder_invitations SET status = 'REVOKED' WHERE id = %s"
MOUNT = (
    "INSERT INTO session_mounts (session_id, folder_id, path, source) VALUES (%s, %s, 'in', '/')"
)


@pytest.fixture
def host():
    """A storage host that no other test knows."""
    return f"host-{uuid.uuid4().hex}"


def traces(observe, user, host):
    """Return the user's folder rows and the trees to be removed from a host."""
    return (
        observe.value("SELECT count(*) FROM folders WHERE owner_id = %s", user.id),
        observe.value("SELECT count(*) FROM tree_removals WHERE host = %s", host),
    )


async def test_folder_is_ready_with_its_tree_and_gone_with_it(cluster, user, observe, host):
    """Both come and go together. Create and delete."""
    async with manager_fixtures.storage(cluster, host) as stub:
        folder = await user.folders.create("data", host=host)
        assert folder.view.status is FolderStatus.READY
        assert stub.trees == {folder.id}
        await folder.delete()
        assert stub.trees == set()
    assert traces(observe, user, host) == (0, 0)


async def test_storage_that_is_away_leaves_no_row(cluster, user, observe, host):
    """A clean error and nothing else. Create on a host whose storage-proxy is gone."""
    async with manager_fixtures.storage(cluster, host):
        await (await user.folders.create("first", host=host)).delete()
    assert await refusal(user.folders.create("data", host=host)) == "storage-unreachable"
    assert traces(observe, user, host) == (0, 0)


async def test_storage_that_is_full_leaves_no_row_and_is_asked_to_remove(
    cluster, user, observe, host
):
    """A refusal is passed on, and what the storage may have begun is removed later. Create on a storage that is full."""
    async with manager_fixtures.storage(cluster, host) as stub:
        stub.full = True
        assert await refusal(user.folders.create("data", host=host)) == "storage-full"
    assert traces(observe, user, host) == (0, 1)


async def test_host_nobody_ever_announced_is_unknown(cluster, user, observe, host):
    """A typo is told apart from an outage. Create on a host that never was."""
    assert await refusal(user.folders.create("data", host=host)) == "host-not-found"
    assert traces(observe, user, host) == (0, 0)


async def test_one_of_many_creates_with_one_name_wins(cluster, user, observe, host):
    """Names are unique for each owner, and losers leave no tree. Race eight creates."""
    async with manager_fixtures.storage(cluster, host) as stub:
        made = await racing.at_once(lambda _: user.folders.create("same", host=host), times=8)
        (folder,), refused = racing.split(made)
        assert refused == ["folder-name-taken"] * 7
        assert stub.trees == {folder.id}
        await folder.delete()


async def test_folder_deleted_while_the_storage_is_away_takes_its_tree_later(
    cluster, user, observe, host
):
    """Deletion is not forgotten. Delete with the storage gone, then bring it back."""
    async with manager_fixtures.storage(cluster, host):
        folder = await user.folders.create("data", host=host)
    await folder.delete()
    assert folder.view.status is FolderStatus.DELETE_ERROR
    assert traces(observe, user, host) == (1, 1)
    async with manager_fixtures.storage(cluster, host) as stub:
        stub.trees.add(folder.id)
        await until(lambda: folder.id not in stub.trees, within=15)
        await until(lambda: traces(observe, user, host) == (0, 0), within=5)


async def test_mounted_folder_cannot_be_deleted(cluster, user, observe, host):
    """A session keeps its folders. Delete while mounted, then after the end."""
    async with (
        manager_fixtures.storage(cluster, host),
        manager_fixtures.agent(cluster),
    ):
        folder = await user.folders.create("data", host=host)
        session = await user.sessions.create(mounts={"in": folder})
        await session.reaches("RUNNING", within=5)
        assert await refusal(folder.delete()) == "folder-mounted"
        await session.terminate()
        await session.reaches("TERMINATED", within=5)
        await folder.delete()


async def test_kernel_gets_the_directory_of_its_folder(cluster, user, observe, host):
    """The agent is told where the tree lies. Create with a mount; read what the agent was sent."""
    async with (
        manager_fixtures.storage(cluster, host),
        manager_fixtures.agent(cluster) as agent,
    ):
        folder = await user.folders.create("data", host=host)
        session = await user.sessions.create(mounts={"a/b": folder}, environment={"X": "ü"})
        await session.reaches("RUNNING", within=5)
        (asked,) = agent.requests.values()
        assert [(each.source, each.path) for each in asked.mounts] == [
            (f"/trees/{folder.id}", "a/b")
        ]
        own = {name: each for name, each in asked.environment.items() if "QD_" not in name}
        assert own == {"X": "ü"}
        assert [mount.path for mount in (await session.refresh()).mounts] == ["a/b"]


async def test_folder_is_mounted_or_deleted_but_not_both(cluster, user, observe, host):
    """The row lock decides. Race creates of sessions with the folder's deletion, many times."""
    async with manager_fixtures.storage(cluster, host):
        for number in range(8):
            folder = await user.folders.create(f"data-{number}", host=host)
            refused = await race_delete_and_mount(user, folder, delete_at=number % 2)
            assert refused in (["folder-mounted"], ["folder-not-found"], ["illegal-transition"])


async def race_delete_and_mount(user, folder, delete_at):
    def make(at):
        return folder.delete() if at == delete_at else user.sessions.create(mounts={"in": folder})

    return racing.split(await racing.at_once(make, times=2))[1]


async def test_user_with_folders_is_deleted_or_busy_but_not_both(cluster, admin, observe, host):
    """Locks are taken in one order. Race the user's deletion with a session that mounts a folder, many times."""
    async with manager_fixtures.storage(cluster, host):
        for number in range(8):
            made = await admin.users.create(f"carol-{number}")
            async with manager_fixtures.signed_in(cluster, made.keypair) as carol:
                folder = await carol.folders.create("data", host=host)
                refused = await race_goodbye_and_mount(admin, carol, folder, number % 2)
                assert refused in (["user-busy"], ["key-inactive"], ["folder-not-found"])
                await say_goodbye(admin, carol, made.user.id)


async def say_goodbye(admin, user, user_id):
    with contextlib.suppress(Refused):  # deleted already
        for view in await user.sessions.list():
            await (await user.sessions.get(view.id)).terminate()
        await admin.users.delete(user_id)


async def race_goodbye_and_mount(admin, carol, folder, delete_at):
    def make(at):
        if at == delete_at:
            return admin.users.delete(folder.view.owner)
        return carol.sessions.create(mounts={"in": folder})

    return racing.split(await racing.at_once(make, times=2))[1]


async def test_host_that_cannot_be_mounted_is_refused_before_anything_is_written(
    cluster, user, observe, host
):
    """Some storages are for files only. Mount a folder of such a host."""
    async with manager_fixtures.storage(cluster, host) as stub:
        folder = await user.folders.create("data", host=host)
        stub.mountable = False
        attempt = user.sessions.create(mounts={"in": folder})
        assert await refusal(attempt) == "host-not-mountable"
        assert await user.sessions.list(ended=True) == []


async def test_folder_of_another_cannot_be_mounted(cluster, user, other_user, observe, host):
    """What is not one's own does not exist. Mount another's folder."""
    async with manager_fixtures.storage(cluster, host):
        folder = await other_user.folders.create("data", host=host)
        assert await refusal(user.sessions.create(mounts={"in": folder})) == "folder-not-found"
        assert await user.sessions.list(ended=True) == []


async def test_user_whose_folder_another_mounts_stays(cluster, user, admin, observe, host):
    """Nobody's files go away under a session. Share a folder, let a session of the other wait with it, delete the owner; again when it has ended."""
    async with manager_fixtures.storage(cluster, host) as stub:
        made = await admin.users.create("carol")
        async with manager_fixtures.signed_in(cluster, made.keypair) as carol:
            folder = await carol.folders.create("data", host=host)
            invitation = await folder.invite(user.view.name, "write")
        theirs = await user.folders.accept(invitation.id)
        session = await user.sessions.create(mounts={"in": theirs})
        with pytest.raises(Refused) as refused:
            await admin.users.delete(made.user.id)
        assert (refused.value.code, refused.value.detail) == (
            "user-busy",
            "A live session of another mounts a folder of the user",
        )
        assert traces(observe, made.user, host) == (1, 0)
        assert stub.trees == {folder.id}
        await session.terminate()
        await session.reaches("CANCELLED", within=5)
        await admin.users.delete(made.user.id)
        await until(lambda: stub.trees == set(), within=5)


async def test_mount_that_is_just_being_written_keeps_the_owner(
    cluster, user, admin, observe, host
):
    """The row lock decides. Hold the folder as a session does that will mount it, delete the owner, write the mount; look at the rows."""
    session = await user.sessions.create()
    async with manager_fixtures.storage(cluster, host):
        made = await admin.users.create("carol")
        async with manager_fixtures.signed_in(cluster, made.keypair) as carol:
            folder = await carol.folders.create("data", host=host)
        with psycopg.connect(cluster.address("postgres")) as other:
            other.execute("SELECT FROM folders WHERE id = %s FOR KEY SHARE", (folder.id,))
            async with asyncio.TaskGroup() as group:
                deletion = group.create_task(refusal(admin.users.delete(made.user.id)))
                await until(lambda: observe.value(WAITING) > 0, within=5)
                other.execute(MOUNT, (session.id, folder.id))
                other.commit()
        assert deletion.result() == "user-busy"
        assert traces(observe, made.user, host) == (1, 0)
        await session.terminate()
        await admin.users.delete(made.user.id)


async def test_session_that_is_just_being_made_sees_what_was_revoked(
    cluster, user, other_user, observe, host
):
    """Behaviour 39: the next mount is cut. Hold the folder as a revocation does, ask for a session, revoke; no session is made."""
    async with manager_fixtures.storage(cluster, host):
        folder = await user.folders.create("data", host=host)
        invitation = await folder.invite(other_user.view.name, "write")
        theirs = await other_user.folders.accept(invitation.id)
        with psycopg.connect(cluster.address("postgres")) as other:
            other.execute("SELECT FROM folders WHERE id = %s FOR UPDATE", (folder.id,))
            async with asyncio.TaskGroup() as group:
                making = group.create_task(
                    refusal(other_user.sessions.create(mounts={"in": theirs}))
                )
                await until(lambda: observe.value(WAITING) > 0, within=5)
                other.execute(REVOKE, (invitation.id,))
                other.commit()
        assert making.result() == "folder-not-found"
        assert await other_user.sessions.list(ended=True) == []


async def test_user_deleted_with_folders_takes_the_trees_along(cluster, admin, observe, host):
    """Nothing of a user stays on disk. Delete a user who has folders."""
    async with manager_fixtures.storage(cluster, host) as stub:
        made = await admin.users.create("carol")
        async with manager_fixtures.signed_in(cluster, made.keypair) as carol:
            await carol.folders.create("one", host=host)
            await carol.folders.create("two", host=host)
        await admin.users.delete(made.user.id)
        await until(lambda: stub.trees == set(), within=2)  # woken: the loop's pace is slower
        await until(lambda: traces(observe, made.user, host) == (0, 0), within=2)
