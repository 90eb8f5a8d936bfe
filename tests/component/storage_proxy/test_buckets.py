"""Trees in a real bucket while others write into it, and what is left there."""

import contextlib

import pytest

from quarterdeck.base.config import Secret
from quarterdeck.infra.object_store import ObjectStore
from quarterdeck.storage_proxy.model import Limits
from quarterdeck.storage_proxy.volumes.s3 import S3Volume
from quarterdeck.testing import layout
from quarterdeck.testing.volume_client import VolumeClient, stream
from shakeout.services.s3 import S3

pytestmark = pytest.mark.needs("s3")
TREE = "0195c0de-0000-7000-8000-000000000001"


class WrittenMeanwhile(ObjectStore):
    """A bucket in which somebody writes to `place` as soon as it was copied."""

    place = ""

    async def copy(self, key, new_key, *, etag):
        copied = await super().copy(key, new_key, etag=etag)
        if key == self.place:
            await self.put(key, stream(b"newer"))
        return copied


@pytest.fixture
def store(cluster, shakeout_runner):
    """The bucket, empty afterwards."""
    keys = S3("s3")
    opening = WrittenMeanwhile.open(
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
