"""Folders on S3: objects in the bucket are the user's bytes, seen with boto3, an independent client."""

import pytest

from quarterdeck.client.errors import Refused

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


def files(observe, folder) -> dict[str, bytes]:
    """The files of a folder as objects in the bucket; other objects there are the platform's own marks."""
    prefix = f"files/{folder.id}/"
    return {
        key.partition(prefix)[2]: content
        for key, content in observe.objects().items()
        if prefix in key
    }
