"""Folders that are made, put into the trash, restored and removed, also while the storage or the manager fails."""

import asyncio
import functools
import itertools

import pytest

from quarterdeck.client.errors import ClientError, Refused
from quarterdeck.testing.folder_acts import filled, outcome, refusal
from quarterdeck.testing.folder_looks import history, status
from quarterdeck.testing.racing import split, together
from shakeout.faults import lifecycle
from shakeout.faults.process import Pause
from shakeout.links.behaviour import Behaviour
from shakeout.waiting.until import until

GONE_SECONDS_MAX = 30


async def purged(folder):
    """What became of a folder that is purged again: a state, or why not; it may be gone by itself already."""
    try:
        return (await folder.purge()).status
    except Refused as refused:
        return refused.code


async def test_folder_goes_through_the_trash_and_is_gone(user, observe, tmp_path):
    """Behaviour 40: trash, restore, trash, purge, in this order of states. Look at rows, history and disk at each step."""
    folder = await filled(user, tmp_path)
    assert (await folder.trash()).status == status(observe, folder) == "TRASHED"
    assert observe.content(folder.id) == {"in.txt": b"kept"}
    assert await user.folders.list() == []
    assert [view.id for view in await user.folders.list(trash=True)] == [folder.id]
    assert (await folder.restore()).status == status(observe, folder) == "READY"
    assert observe.content(folder.id) == {"in.txt": b"kept"}
    await folder.trash()
    assert (await folder.purge()).status == "GONE"
    assert status(observe, folder) is None
    assert folder.id not in observe.trees()
    steps = ["CREATING", "READY", "TRASHED", "READY", "TRASHED", "PURGING", "GONE"]
    causes = ["requested", "tree-created", "trashed", "restored", "trashed", "purge-requested"]
    assert history(observe, folder) == list(
        zip([None, *steps[:-1]], steps, [*causes, "tree-removed"], strict=True)
    )
    told = await folder.history()
    assert [row.to_status for row in told] == steps
    assert {row.actor for row in told[:-1]} == {user.id}
    assert all(one.at <= other.at for one, other in itertools.pairwise(told))


async def test_folder_in_the_trash_is_used_by_nobody(user, observe, tmp_path):
    """Behaviour 40: no token, no mount, no new name, no clone, no share. Try each; the row stays as it is."""
    folder = await filled(user, tmp_path)
    await folder.trash()
    before = observe.rows("SELECT * FROM folders WHERE id = %s", folder.id)
    for attempt in (
        folder.grant("read"),
        folder.grant("write"),
        folder.rename("other"),
        folder.clone("copy"),
        folder.trash(),
        folder.transfer("admin"),
        folder.invite("admin"),
        user.sessions.create(mounts={"data": folder}),
        user.sessions.create(mounts={"data": folder.mount(read_only=True)}),
    ):
        assert await refusal(attempt) == "illegal-transition"
    assert observe.rows("SELECT * FROM folders WHERE id = %s", folder.id) == before
    assert await user.sessions.list(ended=True) == []


async def test_purge_takes_only_what_is_in_the_trash(user, observe, tmp_path):
    """Behaviour 40: a folder in use is not purged, one that is gone is not found. Purge and restore at the wrong time."""
    folder = await filled(user, tmp_path)
    assert await refusal(folder.purge()) == "illegal-transition"
    assert await refusal(folder.restore()) == "illegal-transition"
    assert observe.content(folder.id) == {"in.txt": b"kept"}
    await folder.delete()
    for attempt in (folder.purge(), folder.restore(), folder.trash(), folder.refresh()):
        assert await refusal(attempt) == "folder-not-found"


async def test_name_is_free_while_a_folder_is_in_the_trash(user, observe):
    """Behaviour 40: a trashed folder holds up no other, and is not restored over it. Make another of its name; restore, rename, restore."""
    old = await user.folders.create("data")
    await old.trash()
    new = await user.folders.create("data")
    assert await refusal(old.restore()) == "folder-name-taken"
    assert status(observe, old) == "TRASHED"
    await new.rename("newer")
    assert (await old.restore()).status == "READY"
    assert {view.name: view.id for view in await user.folders.list()} == {
        "data": old.id,
        "newer": new.id,
    }


async def test_names_that_race_are_given_once(user, observe):
    """Names of folders in use differ. Restore, rename and create at once to the same name, many times; look at the rows."""
    for number in range(5):
        name = f"same-{number}"
        trashed, other = await user.folders.create(name), await user.folders.create(f"o-{number}")
        await trashed.trash()
        acts = [
            trashed.restore,
            functools.partial(other.rename, name),
            functools.partial(user.folders.create, name),
        ]
        made, refused = split(await together(acts, first=number))
        assert (len(made), refused) == (1, ["folder-name-taken"] * 2)
        live = (
            "SELECT count(*) FROM folders WHERE name = %s AND status = 'READY' AND owner_id = %s"
        )
        assert observe.value(live, name, user.id) == 1


async def test_purge_is_done_when_the_storage_is_back(private_cluster, user, observe, tmp_path):
    """Behaviour 40: a storage error is told and retried. Purge with the storage-proxy dead; bring it back; look at row, words and disk."""
    folder = await filled(user, tmp_path)
    await folder.trash()
    await private_cluster.kill("storage-proxy")
    left = await folder.purge()
    assert left.status == status(observe, folder) == "DELETE_ERROR"
    assert "storage" in (left.detail or "")
    assert observe.value("SELECT count(*) FROM tree_removals WHERE tree = %s", folder.id) == 1
    assert observe.content(folder.id) == {"in.txt": b"kept"}
    await private_cluster.start("storage-proxy")
    await until(lambda: status(observe, folder) is None, within=GONE_SECONDS_MAX)
    assert folder.id not in observe.trees()
    assert [to for _, to, _ in history(observe, folder)][-3:] == [
        "PURGING",
        "DELETE_ERROR",
        "GONE",
    ]
    assert observe.rows("SELECT * FROM tree_removals") == []


async def test_purge_that_failed_may_be_asked_for_again(private_cluster, user, observe, tmp_path):
    """Behaviour 40: nobody has to wait for the retry. Purge while the storage is dead, start it, purge again."""
    folder = await filled(user, tmp_path)
    await private_cluster.kill("storage-proxy")
    await folder.delete()
    assert status(observe, folder) == "DELETE_ERROR"
    await private_cluster.start("storage-proxy")
    ends = {"GONE", "folder-not-found"}
    await until(lambda: purged(folder), within=GONE_SECONDS_MAX, satisfied=ends.__contains__)
    assert folder.id not in observe.trees()


@pytest.mark.links
async def test_removal_whose_answer_is_lost_ends(private_cluster, user, observe, tmp_path):
    """#5079: the storage has removed the files and its answer is lost: the folder is not being deleted for ever. Lose it; let answers come."""
    folder = await filled(user, tmp_path)
    await folder.trash()
    link = private_cluster.links.link("manager", "storage-proxy")
    await link.set(Behaviour.deaf_source())
    assert (await folder.purge()).status == "DELETE_ERROR"
    assert folder.id not in observe.trees()
    await link.restore()
    await until(lambda: status(observe, folder) is None, within=GONE_SECONDS_MAX)
    assert history(observe, folder)[-1] == ("DELETE_ERROR", "GONE", "tree-removed")


async def test_manager_that_dies_while_it_purges_leaves_nothing_behind(
    private_cluster, user, observe, tmp_path
):
    """#5079, #6486: PURGING is written before the storage is asked, and ends. Kill the manager while the storage is stopped; start it."""
    folder = await filled(user, tmp_path)
    await folder.trash()
    async with lifecycle.injected(Pause("storage-proxy"), private_cluster, within=20):
        async with asyncio.TaskGroup() as group:
            purging = group.create_task(outcome(folder.purge()))
            await until(lambda: status(observe, folder) == "PURGING", within=10)
            assert observe.content(folder.id) == {"in.txt": b"kept"}
            await private_cluster.kill("manager")
        assert isinstance(purging.result(), ClientError)
        assert status(observe, folder) == "PURGING"
        await private_cluster.start("manager")
    await until(lambda: status(observe, folder) is None, within=GONE_SECONDS_MAX)
    await until(lambda: folder.id not in observe.trees(), within=5)
    assert observe.rows("SELECT * FROM tree_removals") == []


async def test_restore_and_purge_that_race_leave_all_or_nothing(user, observe, tmp_path):
    """#6486: a folder is restored with its files or gone with them. Restore and purge at once, many times; look at row and disk."""
    for number in range(6):
        folder = await filled(user, tmp_path, f"raced-{number}")
        await folder.trash()
        made, refused = split(await together([folder.restore, folder.purge], first=number))
        assert len(made) == 1
        assert refused[0] in {"illegal-transition", "folder-not-found"}
        there = status(observe, folder) == "READY"
        assert there == (folder.id in observe.trees()) == (made[0].status == "READY")
        if there:
            assert observe.content(folder.id) == {"in.txt": b"kept"}


async def test_renamed_folder_keeps_its_files_and_says_who_renamed_it(user, observe, tmp_path):
    """A new name is a change of the row alone. Rename; look at row, history and disk; a name that is not allowed changes nothing."""
    folder = await filled(user, tmp_path)
    tree = observe.trees()[folder.id]
    assert (await folder.rename("better")).name == "better"
    assert await refusal(folder.rename("Not A Name")) == "invalid-field"
    assert observe.value("SELECT name FROM folders WHERE id = %s", folder.id) == "better"
    assert observe.trees()[folder.id] == tree
    assert history(observe, folder)[-1] == ("READY", "READY", "renamed")
    assert (await user.folders.get("better")).id == folder.id


@pytest.mark.parametrize("fault", ["dead", "broken"])
async def test_folder_that_could_not_be_made_leaves_nothing(private_cluster, user, observe, fault):
    """Behaviours 45, 46: no row and no tree for ever. Create with the storage dead, and with a broken one; look, bring it back, create again."""
    await user.folders.create("before")
    root = next(iter(observe.trees().values())).parents[1]
    if fault == "dead":
        await private_cluster.kill("storage-proxy")
    else:
        root.rename(root.with_name("moved"))
        root.write_text("no directory")
    assert await refusal(user.folders.create("data")) in {"storage-unreachable", "unavailable"}
    assert observe.value("SELECT count(*) FROM folders WHERE owner_id = %s", user.id) == 1
    if fault == "dead":
        await private_cluster.start("storage-proxy")
    else:
        root.unlink()
        root.with_name("moved").rename(root)
    folder = await until(
        lambda: user.folders.create("data"), within=10, satisfied=bool, retry_on=(Refused,)
    )
    assert folder.id in observe.trees()
    assert observe.rows("SELECT * FROM tree_removals") == []
