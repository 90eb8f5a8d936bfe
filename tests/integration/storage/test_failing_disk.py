"""A disk that is full, or takes no writes: clear errors, nothing half-done, and all is well when the disk is."""

import io

import psycopg
import pytest

from quarterdeck.client.errors import Refused
from quarterdeck.testing import system
from quarterdeck.testing.raw import bearer, files
from shakeout.faults import lifecycle
from shakeout.faults.disk import DiskFull, DiskReadOnly
from shakeout.waiting.until import until

pytestmark = pytest.mark.disks

JSON = {"Content-Type": "application/json"}

FAULTS = [
    (DiskFull, (507, "storage-full")),
    (DiskReadOnly, (503, "storage-read-only")),
]


async def refusal(attempt):
    """Status and code."""
    with pytest.raises(Refused) as refused:
        await attempt
    return refused.value.status, refused.value.code


@pytest.mark.parametrize(("fault", "answer"), FAULTS, ids=lambda value: getattr(value, "name", ""))
async def test_disk_that_takes_no_byte_is_told_and_hurts_nothing(
    private_cluster, user, observe, tmp_path, rng, fault, answer
):
    """Clear error, partial file removed, service lives, recovers by itself. Write in every way while the disk fails, and read; then write."""
    (tmp_path / "file").write_bytes(rng.randbytes(1_000_000))
    (tmp_path / "large").write_bytes(rng.randbytes(24_000_000))
    folder = await user.folders.create("data")
    await folder.upload(tmp_path / "file", "kept")
    pid = private_cluster.process("storage-proxy").pid
    before = observe.content(folder.id)
    async with lifecycle.injected(fault("storage-proxy"), private_cluster):
        for name in ("kept", "new", "deep/new"):
            assert await refusal(folder.upload(tmp_path / "file", name)) == answer
        assert await refusal(folder.upload(tmp_path / "large", "large")) == answer
        assert await refusal(folder.copy("kept", "copy")) == answer
        await folder.download("kept", tmp_path / "back")
        assert [entry.path for entry in await folder.list()] == ["kept"]
        assert observe.content(folder.id) == before
    assert private_cluster.process("storage-proxy").pid == pid
    await folder.upload(tmp_path / "large", "large")
    await folder.copy("kept", "copy")
    assert observe.unfinished() == []
    assert observe.content(folder.id) == {
        **before,
        "copy": before["kept"],
        "large": (tmp_path / "large").read_bytes(),
    }


@pytest.mark.parametrize("limited", [False, True])
async def test_full_disk_lets_files_go(private_cluster, user, observe, tmp_path, limited):
    """Room can always be given back. Delete and move while the disk is full, without and with a quota; both are done."""
    (tmp_path / "file").write_bytes(bytes(1_000_000))
    folder = await user.folders.create("data")
    if limited:
        address = private_cluster.address("storage-proxy.http")
        async with bearer(address, system.keys.storage) as send:
            limits = {"data": b'{"bytes": 3000000, "inodes": 4}', "headers": JSON}
            answer = await send("PUT", f"/manager/v1/scopes/local/{user.id}", **limits)
            assert answer.status == 204
    for name in ("a", "b", "c/d"):
        await folder.upload(tmp_path / "file", name)
    async with lifecycle.injected(DiskFull("storage-proxy"), private_cluster):
        await folder.move("b", "e")
        await folder.remove("a")
        await folder.remove("c")
        assert set(observe.content(folder.id)) == {"e"}


async def test_disk_that_fails_during_an_upload_leaves_nothing(private_cluster, user, observe):
    """The middle of a file is no exception. Fill the disk after half of an upload; it ends with the code, and nothing is left."""
    folder = await user.folders.create("data")
    fault = lifecycle.injected(DiskFull("storage-proxy"), private_cluster)

    async def half_then_full():
        yield bytes(8_000_000)
        await fault.__aenter__()
        yield bytes(8_000_000)

    async with files(await folder.grant("write")) as http:
        answer = await http(
            "PUT", "half", data=half_then_full(), headers={"Content-Length": "16000000"}
        )
    assert (answer.status, answer.code) == (507, "storage-full")
    assert observe.content(folder.id) == {}
    assert observe.unfinished() == []
    await fault.__aexit__(None, None, None)
    async with files(await folder.grant("write")) as http:
        assert (await http("PUT", "half", data=io.BytesIO(bytes(16_000_000)))).status == 200


async def test_folder_that_is_not_made_on_a_full_disk_leaves_no_tree(
    private_cluster, user, observe
):
    """Behaviour 46: a tree may be begun when its disk is full. Make a folder then; no row of it stays, and its tree goes when the disk has room."""
    kept = await user.folders.create("kept")
    async with lifecycle.injected(DiskFull("storage-proxy"), private_cluster):
        assert await refusal(user.folders.create("data")) == (507, "storage-full")
    assert observe.rows("SELECT name FROM folders") == [{"name": "kept"}]
    with psycopg.connect(private_cluster.address("postgres")) as database:
        database.execute("UPDATE tree_removals SET not_before = now()")
    await until(lambda: set(observe.trees()) == {kept.id}, within=20)
    await user.folders.create("data")
