"""Files through the storage-proxy: bytes arrive whole or not at all, and only where the token says."""

import hashlib
from pathlib import Path

import aiohttp
import pytest

from quarterdeck.client.errors import Refused
from quarterdeck.testing.raw import files
from shakeout.waiting.until import until

ESCAPES = (
    "../outside",
    "a/../../outside",
    "..%2foutside",
    "%2e%2e/outside",
    "%252e%252e/outside",
    "/etc/outside",
    "%2fetc%2foutside",
    "nul%00byte",
    "a/%2e%2e/%2e%2e/outside",
)


async def test_uploaded_bytes_are_on_disk_and_come_back(user, observe, tmp_path, rng):
    """What is uploaded is what is stored. Send 8 MiB of noise, look at the disk, read it back."""
    noise = tmp_path / "noise.bin"
    noise.write_bytes(rng.randbytes(8 * 1024 * 1024))
    folder = await user.folders.create("noise")
    await folder.upload(noise, "deep/down/noise.bin")
    assert observe.content(folder.id) == {"deep/down/noise.bin": noise.read_bytes()}
    assert observe.unfinished() == []
    await folder.download("deep/down/noise.bin", tmp_path / "again.bin")
    assert (tmp_path / "again.bin").read_bytes() == noise.read_bytes()


async def test_content_that_does_not_fit_its_checksum_is_not_stored(user, observe):
    """A damaged upload leaves nothing. Announce another content's checksum."""
    folder = await user.folders.create("damaged")
    async with files(await folder.grant("write")) as http:
        announced = {"X-Content-SHA256": hashlib.sha256(b"sent").hexdigest()}
        answer = await http("PUT", "report.txt", data=b"received", headers=announced)
        assert (answer.status, answer.code) == (422, "checksum-mismatch")
    assert observe.content(folder.id) == {}
    assert observe.unfinished() == []


async def test_client_that_hangs_up_leaves_nothing(user, observe):
    """Half an upload is no file. Send 1 MiB of a promised 4 MiB and close the connection."""
    folder = await user.folders.create("half")

    async def half():
        yield bytes(1024 * 1024)
        raise ConnectionResetError

    async with files(await folder.grant("write")) as http:
        with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
            await http("PUT", "half.bin", data=half(), headers={"Content-Length": "4194304"})
    await until(observe.unfinished, within=5, satisfied=lambda left: left == [])
    assert observe.content(folder.id) == {}


@pytest.mark.parametrize("path", ESCAPES)
async def test_path_that_leaves_the_tree_is_refused(user, cluster, observe, path):
    """No path reaches outside of its folder. Write, read and delete there; compare the volume before and after."""
    folder = await user.folders.create("jail")
    volume = cluster.place("storage-proxy").directory
    async with files(await folder.grant("write")) as http:
        before = names(volume)
        for method in ("PUT", "GET", "DELETE"):
            answer = await http(method, path, data=b"x" if method == "PUT" else None)
            assert 400 <= answer.status < 500, (method, answer)
            assert answer.code in {"path-refused", "file-not-found"}, (method, answer)
    assert names(volume) == before
    assert observe.content(folder.id) == {}


async def test_symlink_out_of_the_tree_is_not_followed(user, observe, tmp_path):
    """A link that a kernel made leads nowhere. Link to a secret on the host and ask for it through the API."""
    secret = tmp_path / "secret"
    secret.write_text("not yours")
    folder = await user.folders.create("links")
    session = await user.sessions.create(mounts={"data": folder})
    await session.reaches("RUNNING", within=10)
    made = await session.execute(
        f"import os; os.symlink({str(secret)!r}, 'data/file'); os.symlink({str(tmp_path)!r}, 'data/dir')"
    )
    assert made.error is None
    async with files(await folder.grant("write")) as http:
        for method, path in (("GET", "file"), ("GET", "dir/secret"), ("PUT", "dir/secret")):
            answer = await http(method, path, data=b"mine" if method == "PUT" else None)
            assert (answer.status, answer.code) == (400, "path-refused"), (method, path, answer)
            assert b"not yours" not in answer.body
    assert secret.read_text() == "not yours"


async def test_token_opens_one_tree_with_one_right(user, observe):
    """A token is worth what it says. Write with a read token, and take one folder's token to the API without and with damage."""
    folder = await user.folders.create("mine")
    grant = await folder.grant("read")
    async with files(grant) as http:
        answer = await http("PUT", "file", data=b"x")
        assert (answer.status, answer.code) == (403, "forbidden")
    head, payload, signature = grant.token.split(".")
    for token in ("", "garbage", f"{head}.{payload}.{signature[:-4]}AAAA"):
        async with files(grant, token=token) as http:
            assert (await http("GET", "file")).status == 401
    assert observe.content(folder.id) == {}


async def test_range_gives_the_slice(user, tmp_path):
    """A range is exact. Ask for a middle, an end and a range behind the end."""
    (tmp_path / "digits").write_bytes(b"0123456789")
    folder = await user.folders.create("ranges")
    await folder.upload(tmp_path / "digits")
    async with files(await folder.grant("read")) as http:
        for wanted, status, content in (
            ("2-4", 206, b"234"),
            ("-3", 206, b"789"),
            ("20-", 416, None),
        ):
            answer = await http("GET", "digits", headers={"Range": f"bytes={wanted}"})
            assert answer.status == status
            assert content in (None, answer.body)


async def test_other_users_folder_does_not_exist(user, other_user, observe):
    """Folders are private. Ask for another user's folder by id in every way; the answer is that of a missing one."""
    folder = await user.folders.create("private")
    for attempt in (
        lambda: other_user.folders.get(folder.id),
        lambda: other_user.sessions.create(mounts={"data": folder.id}),
    ):
        with pytest.raises(Refused) as refusal:
            await attempt()
        assert refusal.value.code == "folder-not-found"
    assert observe.value("SELECT count(*) FROM sessions WHERE owner_id = %s", other_user.id) == 0


def names(directory: Path) -> set[str]:
    """All that lies below a directory, but for logs."""
    return {str(path) for path in directory.rglob("*") if path.name != "log"}
