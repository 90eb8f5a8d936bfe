"""Objects of all sizes go there and back through a real S3 server; a broken upload leaves nothing."""

import hashlib

import pytest

from quarterdeck.base.config import Secret
from quarterdeck.infra import object_parts, object_store
from quarterdeck.infra.errors import ObjectStoreUnavailable
from shakeout.services.s3 import S3

pytestmark = pytest.mark.needs("s3")
PART = object_parts.PART_BYTES


def store(cluster, bucket="infra"):
    keys = S3("s3")
    return object_store.ObjectStore.open(
        cluster.address("s3"),
        bucket,
        access_key=keys.access_key,
        secret_key=Secret(keys.secret_key),
    )


@pytest.fixture
def bucket(cluster, opened, shakeout_runner):
    """The bucket, empty afterwards."""
    objects = opened(store(cluster))
    yield objects
    shakeout_runner.run(objects.delete_prefix(""))


async def chunks(data, size=300_000):
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def read(bucket, key, **options):
    return b"".join([chunk async for chunk in bucket.get(key, **options)])


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART + 5])
async def test_object_comes_back_as_it_was(bucket, size, rng):
    data = rng.randbytes(size)
    assert await bucket.put("t/x", chunks(data)) == size
    got = await read(bucket, "t/x") if size else b""
    assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()
    assert (await bucket.head("t/x")).size == size


async def test_part_of_an_object(bucket):
    await bucket.put("t/x", chunks(b"0123456789"))
    assert await read(bucket, "t/x", start=3, length=4) == b"3456"
    assert await read(bucket, "t/x", start=8) == b"89"
    assert await read(bucket, "t/x", start=3, length=0) == b""


async def test_listing_direct_and_deep(bucket):
    for key in ("t/a", "t/d/b", "t/d/e/c", "u/x"):
        await bucket.put(key, chunks(b"1"))
    assert [found.key async for found in bucket.below("t/")] == ["t/a", "t/d/b", "t/d/e/c"]
    objects, prefixes = await bucket.children("t/")
    assert ([found.key for found in objects], prefixes) == (["t/a"], ["t/d/"])
    assert await bucket.delete_prefix("t/d/") == 2
    assert [found.key async for found in bucket.below("")] == ["t/a", "u/x"]


@pytest.mark.parametrize("size", [10, 2 * PART])
async def test_broken_upload_leaves_nothing(bucket, size):
    async def broken():
        yield bytes(size)
        raise LookupError

    with pytest.raises(LookupError):
        await bucket.put("t/x", broken())
    assert await bucket.head("t/x") is None


async def test_absent_object_and_bucket(cluster, bucket):
    assert await bucket.head("t/none") is None
    await bucket.delete("t/none")
    await bucket.check()
    async with store(cluster, "no-such-bucket") as other:
        with pytest.raises(ObjectStoreUnavailable):
            await other.check()


@pytest.mark.parametrize("large", [False, True])
async def test_copy_has_all_of_it(bucket, rng, monkeypatch, large):
    """What S3 does not copy at once goes in parts, where the store copies parts. Copy an object as a small and as a large one."""
    if large:
        monkeypatch.setattr(object_store, "COPY_BYTES_MAX", PART)
        monkeypatch.setattr(object_store, "COPIED_PART_BYTES", PART)
    data = rng.randbytes(2 * PART + 5)
    await bucket.put("t/x", chunks(data))
    assert await bucket.copy(await bucket.head("t/x"), "t/y")
    assert await read(bucket, "t/y") == data
    await bucket.delete("t/x")
    assert [item.key async for item in bucket.below("t/")] == ["t/y"]
