"""Trees in a real bucket while others write into it, and what is left there."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable

import pytest

from quarterdeck.base import tasks
from quarterdeck.base.clock import SystemClock
from quarterdeck.base.config import Secret
from quarterdeck.infra.errors import ObjectExists, ObjectStoreUnavailable
from quarterdeck.infra.etcd import Etcd
from quarterdeck.infra.object_store import ObjectStore
from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.model import Limits, Upload
from quarterdeck.storage_proxy.volumes.leases import Leases
from quarterdeck.storage_proxy.volumes.s3 import ResumableS3Volume, S3Volume
from quarterdeck.testing import layout
from quarterdeck.testing.volume_client import VolumeClient, stream
from shakeout.services.s3 import S3

pytestmark = pytest.mark.needs("s3")
TREE = "0195c0de-0000-7000-8000-000000000001"
CLONE = "0195c0de-0000-7000-8000-000000000002"
ID = "0195c0de-0000-7000-8000-00000000000a"
OLD = 1_000_000_000


class Bucket(ObjectStore):
    """A bucket in which somebody writes to `place` as soon as it was copied, and to `taken` just before something is copied there, which it tells;
    that may be `broken` for larger removals, and `lost` for the copy of an object; where something is `done` with the first copy of an object.
    """

    place = taken = lost = ""
    broken = False
    done: Callable[[str], Awaitable[object]] | None = None

    async def delete_prefix(self, prefix):
        if self.broken:
            raise ObjectStoreUnavailable
        return await super().delete_prefix(prefix)

    async def copy(self, item, new_key, *, mark=None):
        if new_key == self.taken and mark:
            await self.put(new_key, stream(b"newer"))
            raise ObjectExists
        if item.key == self.lost:
            raise ObjectStoreUnavailable
        copied = await super().copy(item, new_key, mark=mark)
        if self.done is not None and item.key.endswith("/a"):
            await self.done(new_key)
        if item.key == self.place:
            await self.put(item.key, stream(b"newer"))
        return copied


@pytest.fixture
def store(cluster, shakeout_runner):
    """The bucket, empty afterwards."""
    keys = S3("s3")
    opening = Bucket.open(
        cluster.address("s3"),
        layout.ARCHIVE_BUCKET,
        access_key=keys.access_key,
        secret_key=Secret(keys.secret_key),
    )
    with contextlib.closing(shakeout_runner.keep(opening)) as kept:
        yield kept.value
        shakeout_runner.run(kept.value.delete_prefix(""))


@pytest.mark.parametrize(("source", "target"), [("a", "z"), ("a/written", "z")])
async def test_move_leaves_what_was_written_meanwhile(store, source, target):
    """Nobody's file goes unseen. Write to an old place once it was copied; the move takes the older version and leaves the newer one."""
    tree = VolumeClient(S3Volume(store, Limits()), TREE)
    await tree.volume.create_tree(TREE)
    await tree.put("a/written", b"older")
    await tree.put("a/other", b"other")
    store.place = f"files/{TREE}/a/written"
    await tree.move(source, target)
    assert await tree.read("a/written") == b"newer"
    assert await tree.read(target + "/written".removeprefix(source[1:])) == b"older"
    gone = (await store.head(f"files/{TREE}/a/other")) is None
    assert gone == (source == "a")


@pytest.mark.parametrize("act", ["move", "copy"])
async def test_copy_replaces_nothing_that_came_meanwhile(store, act):
    """Nobody's file goes. Write to a new place just before its copy; the rest of the copy goes, that file and the source stay."""
    tree = VolumeClient(S3Volume(store, Limits()), TREE)
    await tree.volume.create_tree(TREE)
    for name in "abc":
        await tree.put(f"from/{name}", b"older")
    store.taken = f"files/{TREE}/to/b"
    with pytest.raises(errors.PathTaken):
        await getattr(tree, act)("from", "to")
    found = {item.key.rpartition("/files/")[2] async for item in store.below(f"files/{TREE}/")}
    assert found == {f"files/{TREE}/{name}" for name in ("from/a", "from/b", "from/c", "to/b")}
    assert await tree.read("to/b") == b"newer"


async def keys(store):
    """What is in the bucket."""
    return {item.key async for item in store.below("")}


@pytest.fixture
def volume(store):
    """A volume in the bucket."""
    return S3Volume(store, Limits())


async def filled(volume, names):
    """A tree with files of one directory."""
    tree = VolumeClient(volume, TREE)
    await volume.create_tree(TREE)
    for name in names:
        await tree.put(f"from/{name}", b"older")
    return tree


async def test_copy_that_fails_takes_no_newer_file_away(store, volume):
    """Nobody's file goes. Write over a copy that was made, then have a later one fail; the newer file stays, the other copies go."""
    tree = await filled(volume, "abcdefghijk")
    store.lost = f"files/{TREE}/from/k"

    async def overwrite(new_key):
        await store.put(new_key, stream(b"newer"))

    store.done = overwrite
    with pytest.raises(ObjectStoreUnavailable):
        await tree.copy("from", "to")
    assert await tree.read("to/a") == b"newer"
    assert {key for key in await keys(store) if "/to/" in key} == {f"files/{TREE}/to/a"}


async def test_copies_that_are_under_way_when_one_fails_leave_nothing(store, volume):
    """A store goes on with what it was asked for. Have one copy fail while another is made, and this one end later; nothing of it is left."""
    tree = await filled(volume, "ab")
    failed, left = tasks.Wake(), []

    async def fail(item, new_key, *, mark=None):
        if item.key.endswith("/b"):
            failed.set()
            raise ObjectStoreUnavailable
        try:
            await failed.wait(5)
        except asyncio.CancelledError:
            left.append((item, new_key, mark))
            raise
        return await copy(item, new_key, mark=mark)

    copy, store.copy = store.copy, fail
    with pytest.raises(ObjectStoreUnavailable):
        await tree.copy("from", "to")
    for item, new_key, mark in left:
        await copy(item, new_key, mark=mark)
    assert {key for key in await keys(store) if "/to/" in key} == set()


@pytest.mark.parametrize("act", ["move", "copy"])
async def test_copy_into_a_tree_that_goes_meanwhile_leaves_nothing(store, volume, act):
    """No object is left to nobody. Remove the tree before a copy in it is made; the bucket is empty."""
    tree = await filled(volume, "a")

    async def remove(new_key):
        content = [block async for block in store.get(new_key)]
        there = await store.head(new_key)
        await volume.delete_tree(TREE)
        await late(there, b"".join(content))

    async def late(there, content):
        await store._client.put_object(
            Bucket=layout.ARCHIVE_BUCKET,
            Key=there.key,
            Body=content,
            Metadata={"copy": there.mark},
        )

    store.done = remove
    with pytest.raises(errors.TreeNotFound):
        await getattr(tree, act)("from", "to")
    assert await keys(store) == set()


async def test_directory_made_in_a_tree_that_goes_meanwhile_leaves_nothing(store, volume):
    """No object is left to nobody. Remove the tree just before its directory is made; the bucket is empty."""
    tree = await filled(volume, "a")
    put = store.put

    async def late(key, chunks):
        await volume.delete_tree(TREE)
        return await put(key, chunks)

    store.put = late
    with pytest.raises(errors.TreeNotFound):
        await tree.mkdir("new")
    assert await keys(store) == set()


async def test_clone_that_fails_takes_nothing_from_another_attempt(store, volume):
    """Behaviour 41: two may make one clone, when a claim was lost. Let the first fail after the second has ended; the clone has all files."""
    names = "abcdefghijk"
    await filled(volume, names)

    async def again(_):
        store.done = None
        await volume.clone_tree(TREE, CLONE, None)
        store.lost = f"files/{TREE}/from/k"

    store.done = again
    with pytest.raises(ObjectStoreUnavailable):
        await volume.clone_tree(TREE, CLONE, None)
    cloned = VolumeClient(volume, CLONE)
    assert [await cloned.read(f"from/{name}") for name in names] == [b"older"] * len(names)


@pytest.mark.parametrize("gone", ["copy", "source"])
async def test_clone_that_is_not_whole_does_not_come_to_be(store, volume, gone):
    """Behaviour 41: a clone has all of its source or is none. Remove what was copied, as a second attempt does when it begins, or the source."""
    await filled(volume, "ab")

    async def remove(_):
        if gone == "source":
            await volume.delete_tree(TREE)
        else:
            await store.delete_prefix(f"files/{CLONE}/")

    store.done = remove
    with pytest.raises((errors.StorageUnavailable, errors.TreeNotFound)):
        await volume.clone_tree(TREE, CLONE, None)
    assert await store.head(f"trees/{CLONE}") is None


def uploaded(cluster):
    """What lies in the bucket of uploads."""
    top = cluster.place("s3").directory / "buckets" / layout.ARCHIVE_BUCKET / "uploads"
    return [path for path in top.rglob("*") if path.is_file()]


async def test_chunks_of_no_upload_go_after_an_hour(store, cluster):
    """A removal that breaks off is ended by a sweep. Lose the store after the record went; the chunks go when they are old, no sooner."""
    async with Etcd.open(cluster.address("etcd")) as etcd:
        volume = ResumableS3Volume(store, Limits(), Leases(etcd), SystemClock())
        await volume.create_tree(TREE)
        await volume.uploads.begin(TREE, Upload(id=ID, path=("a",), size=9, expires_at=1e12))
        async with volume.uploads.writer(TREE, ID) as writer:
            await writer.write(b"x")
            await writer.keep()
            store.broken = True
            with pytest.raises(ObjectStoreUnavailable):
                await writer.discard()
            store.broken = False
        await volume.uploads.sweep()
        left = uploaded(cluster)
        assert len(left) == 2
        for path in left:
            os.utime(path, (OLD, OLD))
        await volume.uploads.sweep()
        assert uploaded(cluster) == []
