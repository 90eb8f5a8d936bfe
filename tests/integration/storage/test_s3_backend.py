"""Folders on S3: objects in the bucket are the user's bytes, seen with boto3, an independent client."""

import asyncio

import aiohttp
import msgspec
import pytest

from quarterdeck.client.errors import Refused
from quarterdeck.testing import raw
from quarterdeck.testing.layout import ARCHIVE_BUCKET
from shakeout.waiting.until import until

MIB = 1024 * 1024

pytestmark = pytest.mark.needs("s3")


async def test_uploaded_file_is_an_object_with_the_same_bytes(user, observe, tmp_path, rng):
    """The archive host stores on S3. Upload 12 MiB (several parts), compare with the object, download."""
    noise = tmp_path / "noise.bin"
    noise.write_bytes(rng.randbytes(12 * 1024 * 1024))
    folder = await user.folders.create("archive", host="archive")
    await folder.upload(noise, "deep/noise.bin")
    assert files(observe, folder) == {"deep/noise.bin": noise.read_bytes()}
    await folder.download("deep/noise.bin", tmp_path / "again.bin")
    assert (tmp_path / "again.bin").read_bytes() == noise.read_bytes()


async def test_folder_on_s3_cannot_be_mounted(user, observe):
    """A host says what it can do. Mounting is refused before anything happens, with a code."""
    folder = await user.folders.create("archive", host="archive")
    with pytest.raises(Refused) as refusal:
        await user.sessions.create(mounts={"data": folder})
    assert refusal.value.code == "host-not-mountable"
    assert observe.value("SELECT count(*) FROM sessions WHERE owner_id = %s", user.id) == 0


async def test_deleting_the_folder_deletes_its_objects(user, observe, tmp_path):
    """Nothing stays in the bucket. Upload two files, delete one, then the folder; look at the bucket each time."""
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    folder = await user.folders.create("archive", host="archive")
    for name in ("a", "b"):
        await folder.upload(tmp_path / name)
    assert files(observe, folder) == {"a": b"a", "b": b"b"}
    await folder.remove("a")
    assert files(observe, folder) == {"b": b"b"}
    await folder.delete()
    assert not [key for key in observe.objects() if folder.id in key]


async def test_what_is_not_there_is_a_clear_error(user, tmp_path):
    """A missing object is a missing file, not a fault of the service."""
    folder = await user.folders.create("archive", host="archive")
    with pytest.raises(Refused) as refusal:
        await folder.download("nothing", tmp_path / "nothing")
    assert (refusal.value.status, refusal.value.code) == (404, "file-not-found")
    assert not (tmp_path / "nothing").exists()


async def test_large_upload_goes_in_parts_and_leaves_none_when_it_breaks_off(user, observe):
    """Behaviour 42: multipart. Hang up in the middle of 24 MiB; boto3 sees the multipart upload, then neither it nor an object."""
    folder = await user.folders.create("archive", host="archive")
    seen = asyncio.Event()

    def under_way():
        try:
            listed = observe.s3.list_multipart_uploads(Bucket=ARCHIVE_BUCKET).get("Uploads", ())
        except observe.s3.exceptions.NoSuchUpload:  # how this server says that there never was one
            return []
        return [each["Key"] for each in listed if folder.id in each["Key"]]

    async def half():
        yield bytes(16 * MIB)
        await seen.wait()
        raise ConnectionResetError

    async def upload():
        async with raw.files(await folder.grant("write")) as http:
            with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
                await http("PUT", "half", data=half(), headers={"Content-Length": str(24 * MIB)})

    async with asyncio.TaskGroup() as group:
        group.create_task(upload())
        await until(under_way, within=10, satisfied=bool)
        seen.set()
    await until(under_way, within=10, satisfied=lambda keys: keys == [])
    assert files(observe, folder) == {}


async def test_url_for_one_file_ends_with_its_time(user, observe):
    """Behaviour 42: presigned expiry. A URL writes and reads without a header, only its file, and after its second nothing."""
    folder = await user.folders.create("archive", host="archive")
    grant = await folder.grant("write")
    async with raw.bearer(grant.url, grant.token) as http:

        async def url(method, seconds):
            wanted = msgspec.json.encode({"method": method, "path": "a b", "seconds": seconds})
            headers = {"Content-Type": "application/json"}
            answer = await http("POST", "/client/v1/urls", data=wanted, headers=headers)
            return msgspec.json.decode(answer.body)["target"]

        writing, reading, short = await url("PUT", 60), await url("GET", 60), await url("PUT", 1)
    async with aiohttp.ClientSession() as session:
        plain = raw.Raw(session, grant.url)
        assert (await plain("PUT", writing, data=b"mine")).status == 200
        assert (await plain("GET", reading)).body == b"mine"
        assert (await plain("GET", writing)).code == "forbidden"
        assert (await plain("GET", reading.replace("a%20b", "other"))).code == "forbidden"

        async def late():
            return (await plain("PUT", short, data=b"mine")).code

        assert await until(late, within=10, satisfied=lambda code: code is not None) == (
            "token-expired"
        )
        await plain("PUT", writing, data=b"kept")
        assert await late() == "token-expired"
    assert files(observe, folder) == {"a b": b"kept"}


@pytest.mark.usefixtures("private_cluster")
async def test_missing_bucket_is_told_and_comes_back(user, observe, tmp_path):
    """Behaviour 42: a missing bucket is a clear error. Delete the bucket; every operation says so; make it again, and it serves."""
    (tmp_path / "file").write_bytes(b"kept")
    folder = await user.folders.create("archive", host="archive")
    await folder.upload(tmp_path / "file")
    for key in observe.objects():
        observe.s3.delete_object(Bucket=ARCHIVE_BUCKET, Key=key)
    observe.s3.delete_bucket(Bucket=ARCHIVE_BUCKET)
    for attempt in (
        lambda: folder.upload(tmp_path / "file", "new"),
        lambda: folder.download("file", tmp_path / "back"),
        lambda: folder.list(),
        lambda: folder.stat("file"),
        lambda: folder.mkdir("new"),
        lambda: folder.move("file", "new"),
        lambda: folder.copy("file", "new"),
        lambda: folder.search("*"),
        lambda: folder.remove("file"),
    ):
        with pytest.raises(Refused) as refusal:
            await attempt()
        assert (refusal.value.status, refusal.value.code) == (503, "bucket-missing")
    assert observe.s3.list_buckets()["Buckets"] == []
    observe.s3.create_bucket(Bucket=ARCHIVE_BUCKET)
    again = await user.folders.create("again", host="archive")
    await again.upload(tmp_path / "file")
    assert files(observe, again) == {"file": b"kept"}


async def test_tree_in_a_bucket_is_rearranged(user, observe, tmp_path):
    """What a bucket cannot do itself is done with copies. Make, copy, move, search and delete; look at the objects with boto3 each time."""
    (tmp_path / "file").write_bytes(b"x")
    folder = await user.folders.create("archive", host="archive")
    await folder.upload(tmp_path / "file", "a/b/file")
    await folder.mkdir("empty")
    await folder.copy("a", "c/a")
    assert files(observe, folder) == {"a/b/file": b"x", "c/a/b/file": b"x", "empty/%2e": b""}
    await folder.move("a/b", "d")
    assert files(observe, folder) == {"c/a/b/file": b"x", "d/file": b"x", "empty/%2e": b""}
    assert [entry.path for entry in (await folder.search("fil?")).items] == [
        "c/a/b/file",
        "d/file",
    ]
    assert [entry.path for entry in await folder.list()] == ["c", "d", "empty"]
    for name in ("c", "empty"):
        await folder.remove(name)
    assert files(observe, folder) == {"d/file": b"x"}


def files(observe, folder) -> dict[str, bytes]:
    """The files of a folder as objects in the bucket; other objects there are the platform's own marks."""
    prefix = f"files/{folder.id}/"
    return {
        key.partition(prefix)[2]: content
        for key, content in observe.objects().items()
        if prefix in key
    }
