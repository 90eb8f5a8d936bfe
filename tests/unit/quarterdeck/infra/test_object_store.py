"""What a store refuses to delete is not taken for deleted, and the largest files go in parts. What a real store does is in the component tests."""

from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from quarterdeck.infra import object_store
from quarterdeck.infra.errors import ObjectStoreUnavailable
from quarterdeck.storage_proxy.model import Limits

AT = datetime(2026, 1, 31, tzinfo=UTC)


class Store(object_store.ObjectStore):
    """A bucket with one object."""

    async def below(self, prefix):
        yield object_store.Object(f"{prefix}x", 1, AT, "etag")


class Refusing:
    """A client whose store answers that it did not delete."""

    def __init__(self, code):
        self._code = code

    async def delete_objects(self, **asked):
        return {
            "Errors": [{**each, "Code": self._code} for each in asked["Delete"]["Objects"]],
        }


async def test_object_that_stays_is_told():
    with pytest.raises(ObjectStoreUnavailable, match="AccessDenied for t/x"):
        await Store(Refusing("AccessDenied"), "bucket").delete_prefix("t/")


async def test_object_that_was_gone_is_no_failure():
    assert await Store(Refusing("NoSuchKey"), "bucket").delete_prefix("t/") == 1


MIB = 1024 * 1024


class Taking:
    """A client whose store takes uploads in parts and copies, and remembers what of."""

    def __init__(self, code=None):
        self._code = code
        self.parts = []
        self.begun = self.completed = self.aborted = 0

    async def create_multipart_upload(self, **asked):
        assert asked == {"Bucket": "bucket", "Key": "t/y"}
        self.begun += 1
        return {"UploadId": "u"}

    async def upload_part(self, **asked):
        self.parts.append((asked["PartNumber"], len(asked["Body"])))
        return {"ETag": str(asked["PartNumber"])}

    async def upload_part_copy(self, **asked):
        assert asked["CopySource"] == {"Bucket": "bucket", "Key": "t/x"}
        assert asked["CopySourceIfMatch"] == '"etag"'
        if self._code:
            raise ClientError({"Error": {"Code": self._code}}, "UploadPartCopy")
        self.parts.append((asked["PartNumber"], asked["CopySourceRange"]))
        return {"CopyPartResult": {"ETag": str(asked["PartNumber"])}}

    async def complete_multipart_upload(self, **asked):
        numbers = [number for number, _ in self.parts]
        wanted = [{"PartNumber": number, "ETag": str(number)} for number in numbers]
        assert asked["MultipartUpload"] == {"Parts": wanted}
        self.completed += 1

    async def abort_multipart_upload(self, **asked):
        assert asked["UploadId"] == "u"
        self.aborted += 1


async def blocks(size):
    for at in range(0, size, MIB):
        yield bytes(min(MIB, size - at))


def test_largest_file_fits_into_the_parts_that_a_store_takes():
    """What is announced can be kept. Add up all parts that S3 takes; they hold the largest file, and none takes much memory."""
    sizes = [object_store.part_bytes(number) for number in range(object_store.PARTS_MAX)]
    assert sum(sizes) >= Limits().file_bytes_max
    assert max(sizes) <= 32 * MIB


async def test_parts_grow(monkeypatch):
    """Later parts are larger. Let them grow after two; the parts of a stream are so large, in order, and all of it."""
    monkeypatch.setattr(object_store, "PARTS_ALIKE", 2)
    client = Taking()
    assert await Store(client, "bucket").put("t/y", blocks(51 * MIB)) == 51 * MIB
    assert client.parts == [(1, 8 * MIB), (2, 8 * MIB), (3, 16 * MIB), (4, 16 * MIB), (5, 3 * MIB)]
    assert (client.completed, client.aborted) == (1, 0)


async def test_what_is_too_large_to_be_copied_at_once_is_copied_in_parts():
    """S3 copies 5 GiB at once. Copy a little more; the ranges are all of it, each once."""
    client, size = Taking(), 5 * 1024 * MIB + 7
    large = object_store.Object("t/x", size, AT, "etag")
    assert await Store(client, "bucket").copy(large, "t/y")
    ranges = [asked.removeprefix("bytes=").split("-") for _, asked in client.parts]
    starts, ends = [int(start) for start, _ in ranges], [int(end) + 1 for _, end in ranges]
    assert (starts[0], ends[-1], ends[:-1]) == (0, size, starts[1:])
    assert client.completed == 1


@pytest.mark.parametrize("code", ["PreconditionFailed", "NoSuchKey"])
async def test_large_copy_of_a_version_that_went_leaves_nothing(code):
    """A part of another version is none. Refuse the copy of the first part; the upload is aborted, and no copy is told."""
    client = Taking(code)
    large = object_store.Object("t/x", 6 * 1024 * MIB, AT, "etag")
    assert not await Store(client, "bucket").copy(large, "t/y")
    assert (client.begun, client.completed, client.aborted) == (1, 0, 1)
