"""Trees in a real bucket while others write into it, and what is left there."""

import contextlib
import os

import pytest

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
ID = "0195c0de-0000-7000-8000-00000000000a"
OLD = 1_000_000_000


class Bucket(ObjectStore):
    """A bucket in which somebody writes to `place` as soon as it was copied, and to `taken` just before something is copied there, which it tells;
    and that may be `broken` for larger removals.
    """

    place = taken = ""
    broken = False

    async def delete_prefix(self, prefix):
        if self.broken:
            raise ObjectStoreUnavailable
        return await super().delete_prefix(prefix)

    async def copy(self, item, new_key, *, replace=True):
        if new_key == self.taken and not replace:
            await self.put(new_key, stream(b"newer"))
            raise ObjectExists
        copied = await super().copy(item, new_key, replace=replace)
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
