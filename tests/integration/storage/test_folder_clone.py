"""Clones of folders: whole, of one state of each file, guarded while they are made, and nothing is left of those that fail."""

import asyncio
import contextlib
import fcntl
import os

import psycopg

from quarterdeck.client.errors import ClientError, Refused
from quarterdeck.client.folders import Folder
from quarterdeck.testing import tenancy
from quarterdeck.testing.folder_acts import filled, outcome, refusal
from quarterdeck.testing.folder_looks import history, status
from shakeout.faults import lifecycle
from shakeout.faults.process import Pause
from shakeout.waiting.until import until

READY_SECONDS_MAX = 40
FILE_BYTES = 1 << 20
DEEP = "a/b/in.txt"
CLAIMED = "SELECT claimed_by FROM folders WHERE name = 'copy'"


def rows(observe, user):
    """Name and state of the user's folders."""
    found = observe.rows("SELECT name, status FROM folders WHERE owner_id = %s", user.id)
    return {row["name"]: row["status"] for row in found}


async def test_clone_has_all_files_and_a_life_of_its_own(user, observe, tmp_path):
    """Behaviour 41: a clone is a folder like others. Clone, change one, delete the other; look at rows, history and disk."""
    folder = await filled(user, tmp_path, path=DEEP)
    clone = await folder.clone("copy")
    assert clone.view.status == status(observe, clone) == status(observe, folder) == "READY"
    assert observe.content(clone.id) == observe.content(folder.id) == {"a/b/in.txt": b"kept"}
    (tmp_path / "in.txt").write_text("changed")
    await folder.upload(tmp_path / "in.txt", "a/b/in.txt")
    assert observe.content(clone.id) == {"a/b/in.txt": b"kept"}
    await folder.delete()
    assert observe.content(clone.id) == {"a/b/in.txt": b"kept"}
    assert [step[1:] for step in history(observe, folder)][2:4] == [
        ("CLONING", "clone-requested"),
        ("READY", "cloned"),
    ]
    assert history(observe, clone) == [
        (None, "CREATING", "requested"),
        ("CREATING", "READY", "cloned"),
    ]


async def test_clone_of_what_is_being_written_has_whole_files(user, observe, tmp_path):
    """Behaviour 41: no file of a clone is half old and half new. Replace a file all the time while clones are made; look at their bytes."""
    folder = await user.folders.create("data")
    local = tmp_path / "file"
    clones: list[Folder] = []

    async def write():
        for letter in "abcdefghijklmnop":
            local.write_bytes(letter.encode() * FILE_BYTES)
            with contextlib.suppress(Refused):  # while it is being cloned
                await folder.upload(local, "file")

    async def clone():
        while not writing.done():
            clones.append(await folder.clone(f"copy-{len(clones)}"))

    await folder.upload(_first(local), "file")
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(write())
        group.create_task(clone())
    assert clones
    for one in clones:
        content = observe.content(one.id)
        assert list(content) == ["file"]
        assert (len(content["file"]), len(set(content["file"]))) == (FILE_BYTES, 1)
    assert observe.unfinished() == []


def _first(local):
    local.write_bytes(b"_" * FILE_BYTES)
    return local


async def test_folder_that_is_being_cloned_is_guarded(private_cluster, user, observe, tmp_path):
    """Behaviour 41: while it is CLONING nobody begins to write, clones again, deletes or gives it away. Stop the storage; try; let it go on."""
    folder = await filled(user, tmp_path, path=DEEP)
    async with asyncio.TaskGroup() as group:
        async with lifecycle.injected(Pause("storage-proxy"), private_cluster, within=20):
            cloning = group.create_task(folder.clone("copy"))
            await until(lambda: status(observe, folder) == "CLONING", within=10)
            for attempt in (
                folder.grant("write"),
                folder.clone("other"),
                folder.trash(),
                folder.delete(),
                folder.transfer("admin"),
                user.sessions.create(mounts={"data": folder}),
            ):
                assert await refusal(attempt) == "illegal-transition"
            assert (await folder.grant("read")).token
            assert rows(observe, user) == {"data": "CLONING", "copy": "CREATING"}
    assert cloning.result().view.status == "READY"
    assert rows(observe, user) == {"data": "READY", "copy": "READY"}
    assert observe.content(cloning.result().id) == {"a/b/in.txt": b"kept"}
    assert (await folder.grant("write")).token


async def test_folder_in_which_a_session_may_write_is_not_cloned(user, observe, tmp_path):
    """Behaviour 41: what a kernel is writing is not copied. Mount to write, and to read; clone during each."""
    folder = await filled(user, tmp_path, path=DEEP)
    session = await user.sessions.create(mounts={"data": folder})
    await session.reaches("RUNNING", within=10)
    assert await refusal(folder.clone("copy")) == "folder-mounted"
    assert rows(observe, user) == {"data": "READY"}
    await session.terminate()
    await session.reaches("TERMINATED", within=10)
    await user.sessions.create(mounts={"data": folder.mount(read_only=True)})
    clone = await folder.clone("copy")
    assert observe.content(clone.id) == {"a/b/in.txt": b"kept"}


async def test_clone_with_a_name_that_is_taken_changes_nothing(user, observe, tmp_path):
    """A clone has a name of its own. Clone to the name of the source; look at rows, history and trees."""
    folder = await filled(user, tmp_path, path=DEEP)
    steps, trees = history(observe, folder), observe.trees()
    assert await refusal(folder.clone("data")) == "folder-name-taken"
    assert (history(observe, folder), observe.trees()) == (steps, trees)


async def test_storage_that_dies_during_a_clone_leaves_nothing(
    private_cluster, user, observe, tmp_path
):
    """A clone is whole or not there, and its source is free again. Kill the storage-proxy in the middle; look; start it; clone again."""
    folder = await filled(user, tmp_path, path=DEEP)
    async with asyncio.TaskGroup() as group:
        async with lifecycle.injected(Pause("storage-proxy"), private_cluster, within=20):
            cloning = group.create_task(outcome(folder.clone("copy")))
            await until(lambda: status(observe, folder) == "CLONING", within=10)
            await private_cluster.kill("storage-proxy")
            await until(lambda: status(observe, folder) == "READY", within=READY_SECONDS_MAX)
            await private_cluster.start("storage-proxy")
    assert isinstance(cloning.result(), ClientError)
    assert rows(observe, user) == {"data": "READY"}
    assert history(observe, folder)[-1] == ("CLONING", "READY", "clone-failed")
    clone = await folder.clone("copy")
    assert observe.content(clone.id) == {"a/b/in.txt": b"kept"}
    await until(lambda: set(observe.trees()) == {folder.id, clone.id}, within=READY_SECONDS_MAX)


async def test_clone_goes_on_when_its_manager_dies(private_cluster, user, observe, tmp_path):
    """No folder is CLONING for ever. Kill the manager in the middle of a clone; start it: clone and source become READY."""
    folder = await filled(user, tmp_path, path=DEEP)
    async with lifecycle.injected(Pause("storage-proxy"), private_cluster, within=20):
        async with asyncio.TaskGroup() as group:
            cloning = group.create_task(outcome(folder.clone("copy")))
            await until(lambda: rows(observe, user).get("copy") == "CREATING", within=10)
            await until(lambda: observe.value(CLAIMED), within=10)
            await private_cluster.kill("manager")
        assert isinstance(cloning.result(), ClientError)
        assert rows(observe, user) == {"data": "CLONING", "copy": "CREATING"}
        await private_cluster.start("manager")
    ready = {"data": "READY", "copy": "READY"}
    await until(lambda: rows(observe, user) == ready, within=READY_SECONDS_MAX)
    clone = await user.folders.get("copy")
    assert observe.content(clone.id) == {"a/b/in.txt": b"kept"}
    assert set(observe.trees()) == {folder.id, clone.id}


@contextlib.contextmanager
def held(tree):
    """Keep a tree from being copied for the time of a block, as somebody does who changes it."""
    directory = os.open(tree, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_SH)
        yield
    finally:
        os.close(directory)


async def test_copy_whose_owner_and_manager_are_gone_is_removed(
    private_cluster, user, admin, observe, tmp_path
):
    """Behaviour 41: no tree is left to nobody. Hold a copy up, delete who wants it, kill the manager and start it; let the removal find nothing, and
    then the copy come; look at the disk.
    """
    folder = await filled(user, tmp_path, path=DEEP)
    due = "UPDATE tree_removals SET not_before = now() + make_interval(secs => %s)"
    with psycopg.connect(private_cluster.address("postgres"), autocommit=True) as database:
        async with (
            tenancy.visitor(private_cluster, "carol") as carol,
            asyncio.TaskGroup() as group,
        ):
            theirs = await carol.folders.accept((await folder.invite("carol")).id)
            with held(observe.trees()[folder.id]):
                group.create_task(outcome(theirs.clone("copy")))
                await until(lambda: observe.value(CLAIMED), within=10)
                copy = observe.value("SELECT id::text FROM folders WHERE name = 'copy'")
                await admin.users.delete(carol.id)
                await private_cluster.kill("manager")
                await private_cluster.start("manager")
                database.execute(due, (0,))
                waiting = "SELECT count(*) FROM tree_removals WHERE not_before <= now()"
                await until(lambda: observe.value(waiting) == 0, within=20)
                database.execute(due, (3600,))
            await until(lambda: copy in observe.trees(), within=10)
        database.execute(due, (0,))
        await until(lambda: set(observe.trees()) == {folder.id}, within=20)
