"""What a store refuses to delete is not taken for deleted, and the largest files go in parts. What a real store does is in the component tests."""

from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from quarterdeck.infra import object_parts, object_store
from quarterdeck.infra.errors import ObjectExists, ObjectStoreUnavailable
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
    sizes = [object_parts.part_bytes(number) for number in range(object_parts.PARTS_MAX)]
    assert sum(sizes) >= Limits().file_bytes_max
    assert max(sizes) <= 32 * MIB


async def test_parts_grow(monkeypatch):
    """Later parts are larger. Let them grow after two; the parts of a stream are so large, in order, and all of it."""
    monkeypatch.setattr(object_parts, "PARTS_ALIKE", 2)
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


class Judging:
    """A client whose store has `t/x`, and `t/y` if it is `taken`; it knows these conditions, and says that it does not know others.

    Whoever looks sees the version that was there `before`, if there was one. A copy whose answer is `lost` is asked for again.
    """

    def __init__(self, *, taken=False, knows=("IfNoneMatch", "IfMatch"), before=None, lost=False):
        self._before = before
        self._there = {"t/x": "etag"} | ({"t/y": "other"} if taken else {})
        self._marks = {}
        self._knows = knows
        self._lost = lost
        self.asked = []

    async def head_object(self, **asked):
        if asked["Key"] not in self._there:
            raise ClientError({"Error": {"Code": "404"}}, "HeadObject")
        etag = self._before or self._there[asked["Key"]]
        metadata = self._marks.get(asked["Key"], {})
        return {"ContentLength": 1, "LastModified": AT, "ETag": f'"{etag}"', "Metadata": metadata}

    async def copy_object(self, **asked):
        for _ in range(1 + self._lost):
            self._judge(asked, "IfNoneMatch")
            self._there[asked["Key"]] = self._there["t/x"]
            self._marks[asked["Key"]] = asked.get("Metadata", {})

    async def delete_object(self, **asked):
        self._judge(asked, "IfMatch")
        del self._there[asked["Key"]]

    def _judge(self, asked, condition):
        self.asked.append(asked.get(condition))
        if condition in asked and condition not in self._knows:
            raise ClientError({"Error": {"Code": "NotImplemented"}}, "any")
        there = self._there.get(asked["Key"])
        if asked.get("IfMatch") and there is None:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "any")
        if (asked.get("IfNoneMatch") and there) or asked.get("IfMatch") not in {
            None,
            f'"{there}"',
        }:
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "any")

    @property
    def there(self):
        return sorted(self._there.items())


ITEM = object_store.Object("t/x", 1, AT, "etag")


async def test_copy_replaces_nothing_where_the_store_can_tell():
    """Nobody's file goes. Copy to a key that somebody has taken meanwhile; it stays, and is told. A source that changed is another matter."""
    client = Judging(taken=True)
    with pytest.raises(ObjectExists):
        await Store(client, "bucket").copy(ITEM, "t/y", mark="m")
    assert client.there == [("t/x", "etag"), ("t/y", "other")]
    assert await Store(client, "bucket").copy(ITEM, "t/y")
    assert client.there == [("t/x", "etag"), ("t/y", "etag")]
    assert client.asked == ["*", None]


async def test_copy_whose_answer_was_lost_is_known_again():
    """Our own copy is no file of somebody else. Lose the answer, so that it is asked for again; it is told as made, and bears the mark."""
    client = Judging(lost=True)
    store = Store(client, "bucket")
    assert await store.copy(ITEM, "t/y", mark="m")
    assert client.asked == ["*", "*"]
    found = await store.head("t/y")
    assert found is not None
    assert (found.etag, found.mark) == ("etag", "m")
    with pytest.raises(ObjectExists):
        await store.copy(ITEM, "t/y", mark="another")


async def test_version_that_goes_while_it_is_deleted_is_deleted():
    """What is gone is deleted. Delete with an answer that is lost, so that the store has nothing more under the key; nothing is raised."""

    class Gone(Judging):
        async def delete_object(self, **asked):
            await super().delete_object(**asked)
            await super().delete_object(**asked)

    client = Gone()
    await Store(client, "bucket").delete_version(ITEM)
    assert client.there == []


@pytest.mark.parametrize(("before", "asked"), [(None, []), ("older", ['"older"'])])
async def test_only_the_version_that_is_meant_is_deleted(before, asked):
    """Nobody's newer file goes. Delete a version that went before the look, and one that goes after it; what is there now stays."""
    client = Judging(before=before)
    older = object_store.Object("t/x", 1, AT, "older")
    await Store(client, "bucket").delete_version(older)
    assert (client.asked, client.there) == (asked, [("t/x", "etag")])


async def test_store_that_knows_no_conditions_is_asked_without():
    """A store that refuses them works all the same. Copy and delete; each is asked once more without, and then never with them again."""
    client = Judging(knows=())
    store = Store(client, "bucket")
    for _ in range(2):
        assert await store.copy(ITEM, "t/y", mark="m")
        await store.delete_version(object_store.Object("t/y", 1, AT, "etag"))
    assert client.there == [("t/x", "etag")]
    assert client.asked == ["*", None, '"etag"', None, None, None]


async def test_condition_that_a_store_does_not_know_tells_nothing_of_others():
    """A store may know how to replace nothing and not how to delete a version. Delete first; a copy to what is taken is refused all the same."""
    client = Judging(taken=True, knows=("IfNoneMatch",))
    store = Store(client, "bucket")
    await store.delete_version(object_store.Object("t/z", 1, AT, "etag"))
    await store.delete_version(object_store.Object("t/y", 1, AT, "other"))
    assert await store.copy(ITEM, "t/y", mark="m")
    with pytest.raises(ObjectExists):
        await store.copy(ITEM, "t/y", mark="another")
    assert client.asked == ['"other"', None, "*", "*"]
