"""Downloads from a real storage-proxy: conditions, archives, checksums, URLs that carry their own token."""

import asyncio
import contextlib
import hashlib
import io
import os
import tarfile
import zipfile
import zlib
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime

import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.wire import tokens
from shakeout.faults import lifecycle
from shakeout.faults.clock import ClockJump

CONTENT = bytes(range(256)) * 4096
FILES = {
    "top.bin": CONTENT,
    "results/a b.txt": b"a b",
    "results/deep/er/ümläut.txt": b"deep",
    "results/empty": b"",
    "results/" + "n" * 200: b"long",
}


async def fill(tree):
    """Put the files into the tree."""
    for path, content in FILES.items():
        target = "/" + path.replace(" ", "%20").replace("ü", "%C3%BC").replace("ä", "%C3%A4")
        assert (await tree.call("PUT", target, body=content)).status == 200


async def fetch(tree, target, right="read"):
    """GET an address of the client API whose answer has no length."""
    bearer = tree.proxy.token(tree.host, tree.id, right)
    sent = {"Connection": "close"}
    async with tree.proxy.connection("GET", target, bearer=bearer, headers=sent) as (reader, _):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    return head, unchunked(body)


def content_of(archive, member):
    """What a tar archive has of a file."""
    with archive.extractfile(member) as file:
        return file.read()


def unchunked(body):
    """The content of a chunked body; what has no last chunk ends with None."""
    content, ended = b"", False
    while body and not ended:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        ended = length == 0
        content, body = content + body[:length], body[length + 2 :]
    return content if ended else None


async def test_tar_has_all_files_with_their_content(tree):
    await fill(tree)
    head, content = await fetch(tree, "/client/v1/archive")
    assert b"application/x-tar" in head
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = [member for member in archive if member.isfile()]
        found = {member.name: content_of(archive, member) for member in members}
        assert {member.name for member in archive if member.isdir()} == {
            "results",
            "results/deep",
            "results/deep/er",
        }
    assert found == FILES


async def test_zip_has_all_files_with_their_content(tree):
    await fill(tree)
    head, content = await fetch(tree, "/client/v1/archive?format=zip&path=results")
    assert b'filename="results.zip"' in head
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        names = [name for name in archive.namelist() if not name.endswith("/")]
        found = {f"results/{name}": archive.read(name) for name in names}
    assert found == {path: data for path, data in FILES.items() if path != "top.bin"}


async def test_archive_of_a_file_has_it(tree):
    await fill(tree)
    _, content = await fetch(tree, "/client/v1/archive?path=top.bin")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert archive.getnames() == ["top.bin"]


async def test_archive_leaves_links_out(tree, disk):
    secret = disk / "secret"
    secret.write_text("secret")
    root = disk / "trees" / tree.id / "files"
    (root / "file").symlink_to(secret)
    (root / "directory").symlink_to(disk)
    _, content = await fetch(tree, "/client/v1/archive")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert archive.getnames() == []
    secret.unlink()


@pytest.mark.parametrize("query", ["?format=rar", "?path=../x", "?path=gone", "?depth=1"])
async def test_archive_that_cannot_be_is_refused(tree, query):
    bearer = tree.proxy.token(tree.host, tree.id, "read")
    answer = await tree.proxy.call("GET", f"/client/v1/archive{query}", bearer=bearer)
    assert answer.status in {400, 404}


@pytest.mark.parametrize("algorithm", ["crc32", "md5"])
async def test_checksum_may_be_another(tree, algorithm):
    bearer = tree.proxy.token(tree.host, tree.id, "read")
    await tree.call("PUT", "/file", body=b"content")
    target = f"/client/v1/checksum?path=file&algorithm={algorithm}"
    answer = await tree.proxy.call("GET", target, bearer=bearer)
    if algorithm == "md5":
        assert answer.problem == (400, "invalid-field")
    else:
        assert answer.json["crc32"] == f"{zlib.crc32(b'content'):08x}"
        assert answer.json["sha256"] is None


async def test_checksum_is_that_of_the_content(tree):
    await fill(tree)
    bearer = tree.proxy.token(tree.host, tree.id, "read")
    answer = await tree.proxy.call("GET", "/client/v1/checksum?path=top.bin", bearer=bearer)
    assert answer.json["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert answer.json["size"] == len(CONTENT)
    etag = (await tree.call("HEAD", "/top.bin")).headers["etag"]
    assert etag == f'"{answer.json["etag"]}"'


async def test_conditions_on_the_version(tree):
    await fill(tree)
    first = (await tree.call("HEAD", "/top.bin")).headers
    changed = parsedate_to_datetime(first["last-modified"])
    before = format_datetime(changed - timedelta(seconds=1), usegmt=True)
    for header, value, status in (
        ("If-Match", first["etag"], 200),
        ("If-Match", '"another", *', 200),
        ("If-Match", '"another"', 412),
        ("If-Match", f"W/{first['etag']}", 412),
        ("If-Unmodified-Since", first["last-modified"], 200),
        ("If-Unmodified-Since", before, 412),
        ("If-None-Match", f"W/{first['etag']}", 304),
        ("If-None-Match", '"another"', 200),
        ("If-Modified-Since", first["last-modified"], 304),
        ("If-Modified-Since", before, 200),
        ("If-Modified-Since", "yesterday", 200),
    ):
        answer = await tree.call("GET", "/top.bin", headers={header: value})
        assert answer.status == status, (header, value, answer.status)


async def test_range_that_is_meant_for_another_version_gives_the_whole(tree):
    await fill(tree)
    date = (await tree.call("HEAD", "/top.bin")).headers["last-modified"]
    for condition in ('"another"', date, f'W/"{1}"'):
        headers = {"Range": "bytes=0-1", "If-Range": condition}
        assert (await tree.call("GET", "/top.bin", headers=headers)).body == CONTENT


async def url(tree, method="GET", path="top.bin", right="write", **more):
    """Ask for a URL that carries its own token."""
    bearer = tree.proxy.token(tree.host, tree.id, right)
    asked = {"method": method, "path": path, **more}
    body = str(asked).replace("'", '"').encode()
    headers = {"Content-Type": "application/json"}
    return await tree.proxy.call(
        "POST", "/client/v1/urls", bearer=bearer, headers=headers, body=body
    )


async def test_url_reads_one_file_without_a_header(tree):
    await fill(tree)
    granted = await url(tree, right="read")
    assert granted.status == 201
    target = granted.json["target"]
    assert (await tree.proxy.call("GET", target)).body == CONTENT
    answer = await tree.proxy.call("GET", target, headers={"Range": "bytes=-3"})
    assert (answer.status, answer.body) == (206, CONTENT[-3:])
    other = target.replace("top.bin", "results/empty")
    assert (await tree.proxy.call("GET", other)).problem == (403, "forbidden")
    assert (await tree.proxy.call("PUT", target, body=b"x")).problem == (403, "forbidden")
    assert (await tree.call("GET", "/top.bin")).body == CONTENT


async def test_url_writes_one_file_without_a_header(tree, disk):
    target = (await url(tree, "PUT", "in/new.bin")).json["target"]
    assert (await tree.proxy.call("PUT", target, body=CONTENT)).status == 200
    assert (disk / "trees" / tree.id / "files" / "in" / "new.bin").read_bytes() == CONTENT
    assert (await tree.proxy.call("GET", target)).problem == (403, "forbidden")


async def test_url_is_no_bearer_token_and_opens_no_listing(tree):
    token = (await url(tree)).json["target"].partition("token=")[2]
    answer = await tree.proxy.call("GET", "/client/v1/files", bearer=token)
    assert answer.problem == (401, "token-invalid")
    answer = await tree.proxy.call("GET", f"/client/v1/files?token={token}")
    assert answer.status == 400


async def test_url_with_a_tampered_token_is_refused(tree):
    await fill(tree)
    target = (await url(tree)).json["target"]
    bearer = tree.proxy.token(tree.host, tree.id, "write")
    for wrong in (target[:-3] + "AAA", f"/client/v1/files/top.bin?token={bearer}"):
        assert (await tree.proxy.call("GET", wrong)).problem == (401, "token-invalid")


async def test_url_ends_with_the_token_that_it_was_asked_for_with(tree):
    now = SystemClock().now()
    for seconds, most in ((900, 60), (10, 10)):
        target = (await url(tree, seconds=seconds)).json["target"]
        token = tokens.verify_url(target.partition("token=")[2], tree.proxy.token_key, now)
        assert most - 2 <= token.exp - now.timestamp() <= most + 2
    assert (await url(tree, seconds=901)).status == 400


async def test_right_that_one_has_not_is_not_given_to_others(tree):
    assert (await url(tree, "PUT", right="read")).problem == (403, "forbidden")
    for asked in ({"path": "../x"}, {"path": ""}, {"method": "DELETE"}, {"seconds": 0}):
        assert (await url(tree, **asked)).status == 400


async def test_url_is_good_for_as_long_as_it_says(private_cluster, tree):
    await fill(tree)
    bearer = tree.proxy.token(tree.host, tree.id, "read", seconds=3600)
    answer = await tree.proxy.call(
        "POST",
        "/client/v1/urls",
        bearer=bearer,
        headers={"Content-Type": "application/json"},
        body=b'{"method": "GET", "path": "top.bin", "seconds": 60}',
    )
    target = answer.json["target"]
    assert (await tree.proxy.call("GET", target)).body == CONTENT
    async with lifecycle.injected(ClockJump("storage-proxy", 61), private_cluster):
        assert (await tree.proxy.call("GET", target)).problem == (401, "token-expired")
        assert (await tree.proxy.call("GET", "/client/v1/files", bearer=bearer)).status == 200


@pytest.mark.parametrize("address", ["files/file", "archive", "archive?format=zip"])
async def test_download_of_a_file_that_becomes_shorter_is_broken_off(tree, disk, address):
    """Half a file never looks whole. Cut a file while it is read over a connection that is to be kept; the connection ends."""
    file = disk / "trees" / tree.id / "files" / "file"
    with file.open("wb") as opened:
        opened.truncate(64 * 1024 * 1024)
    bearer = tree.proxy.token(tree.host, tree.id, "read")
    connection = tree.proxy.connection("GET", f"/client/v1/{address}", bearer=bearer)
    async with connection as (reader, _), asyncio.timeout(10):
        got = await reader.readexactly(1024)
        os.truncate(file, 4096)
        with contextlib.suppress(ConnectionResetError):
            while block := await reader.read(1 << 20):
                got = block
    assert b"HTTP/1.1" not in got
    assert not got.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("seconds", [-(1 << 31), 1 << 33, 1 << 38])
async def test_file_with_a_date_of_its_own_is_shown_and_archived(tree, disk, seconds):
    """No date of one file keeps the others from anybody. Set it before 1980, after 2107 and after 9999; list, stat, archive."""
    await fill(tree)
    root = disk / "trees" / tree.id / "files"
    for path in (root / "top.bin", root / "results", root):
        os.utime(path, (seconds, seconds))
    bearer = tree.proxy.token(tree.host, tree.id, "read")
    for address in ("files", "files?recursive=true", "stat?path=top.bin", "stat?path="):
        answer = await tree.proxy.call("GET", f"/client/v1/{address}", bearer=bearer)
        assert answer.status == 200
    assert (await tree.call("GET", "/top.bin")).body == CONTENT
    _, content = await fetch(tree, "/client/v1/archive?format=zip")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("top.bin") == CONTENT
    _, content = await fetch(tree, "/client/v1/archive")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert content_of(archive, archive.getmember("top.bin")) == CONTENT
