"""The client API of a real storage-proxy: upload, download, listing, deletion, by its tokens."""

import hashlib
import zlib

import pytest

CONTENT = bytes(range(256)) * 4096 * 3


async def test_uploaded_file_is_on_disk_and_comes_back(tree, disk):
    answer = await tree.call("PUT", "/data/a%20b.bin", body=CONTENT)
    assert answer.status == 200
    assert answer.json["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert answer.json["entry"]["path"] == "data/a b.bin"
    assert answer.json["entry"]["size"] == len(CONTENT)
    files = disk / "trees" / tree.id / "files"
    assert (files / "data" / "a b.bin").read_bytes() == CONTENT
    answer = await tree.call("GET", "/data/a%20b.bin", right="read")
    assert (answer.status, answer.body) == (200, CONTENT)


@pytest.mark.parametrize("size", [0, 1, 65_536, 262_144, 262_145])
async def test_file_of_any_size_comes_back(tree, size):
    await tree.call("PUT", "/file", body=CONTENT[:size])
    answer = await tree.call("GET", "/file")
    assert (answer.status, answer.body) == (200, CONTENT[:size])


async def test_upload_in_chunks_of_unknown_length(tree):
    body = b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
    bearer = tree.proxy.token(tree.host, tree.id, "write")
    sent = {"Connection": "close", "Transfer-Encoding": "chunked"}
    target = "/client/v1/files/chunked"
    async with tree.proxy.connection("PUT", target, bearer=bearer, headers=sent) as (
        reader,
        writer,
    ):
        writer.write(body)
        assert b"200 OK" in await reader.readline()
    assert (await tree.call("GET", "/chunked")).body == b"abcdefg"


async def test_announced_checksum_is_compared(tree, disk):
    good, bad = hashlib.sha256(CONTENT).hexdigest(), hashlib.sha256(b"other").hexdigest()
    answer = await tree.call("PUT", "/file", headers={"X-Content-SHA256": bad}, body=CONTENT)
    assert answer.problem == (422, "checksum-mismatch")
    assert answer.json["field"] == "X-Content-SHA256"
    assert await tree.names() == []
    assert list((disk / "trees" / tree.id / "staging").iterdir()) == []
    answer = await tree.call(
        "PUT", "/file", headers={"X-Content-SHA256": good.upper()}, body=CONTENT
    )
    assert answer.status == 200


async def test_announced_crc_is_compared_in_place_of_the_sha256(tree, disk):
    good, bad = f"{zlib.crc32(CONTENT):08X}", f"{zlib.crc32(b'other'):08x}"
    answer = await tree.call("PUT", "/file", headers={"X-Content-CRC32": bad}, body=CONTENT)
    assert answer.problem == (422, "checksum-mismatch")
    assert answer.json["field"] == "X-Content-CRC32"
    assert await tree.names() == []
    answer = await tree.call("PUT", "/file", headers={"X-Content-CRC32": good}, body=CONTENT)
    assert (answer.json["crc32"], answer.json["sha256"]) == (good.lower(), None)
    assert (disk / "trees" / tree.id / "files" / "file").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Content-SHA256": "abc"},
        {"X-Content-CRC32": "abc"},
        {"X-Content-CRC32": "0" * 8, "X-Content-SHA256": "0" * 64},
    ],
)
async def test_announced_checksum_that_is_none_is_refused(tree, headers):
    answer = await tree.call("PUT", "/file", headers=headers, body=b"x")
    assert answer.problem == (400, "invalid-field")
    assert await tree.names() == []


async def test_encoded_content_is_refused(tree):
    answer = await tree.call("PUT", "/file", headers={"Content-Encoding": "gzip"}, body=b"x")
    assert answer.problem == (415, "unsupported-media-type")
    assert await tree.names() == []


async def test_client_that_goes_away_leaves_nothing(tree, disk):
    bearer = tree.proxy.token(tree.host, tree.id, "write")
    headers = {"Content-Length": "1000000"}
    async with tree.proxy.connection(
        "PUT", "/client/v1/files/deep/file", bearer=bearer, headers=headers
    ) as (_, writer):
        writer.write(b"x" * 500_000)
        await writer.drain()
    assert await tree.names() == []
    left = {path.name for path in (disk / "trees" / tree.id).rglob("*")}
    assert left == {"files", "staging"}


@pytest.mark.parametrize(
    ("asked", "expected", "content_range"),
    [
        ("bytes=0-99", CONTENT[:100], f"bytes 0-99/{len(CONTENT)}"),
        ("bytes=1000000-", CONTENT[1000000:], f"bytes 1000000-{len(CONTENT) - 1}/{len(CONTENT)}"),
        ("bytes=-5", CONTENT[-5:], f"bytes {len(CONTENT) - 5}-{len(CONTENT) - 1}/{len(CONTENT)}"),
    ],
)
async def test_range_of_a_file(tree, asked, expected, content_range):
    await tree.call("PUT", "/file", body=CONTENT)
    answer = await tree.call("GET", "/file", headers={"Range": asked})
    assert (answer.status, answer.headers["content-range"]) == (206, content_range)
    assert answer.body == expected


async def test_range_behind_the_end_names_the_size(tree):
    await tree.call("PUT", "/file", body=b"0123456789")
    answer = await tree.call("GET", "/file", headers={"Range": "bytes=10-"})
    assert answer.problem == (416, "range-not-satisfiable")
    assert answer.headers["content-range"] == "bytes */10"


async def test_version_is_not_sent_again_and_ranges_are_of_one_version(tree):
    await tree.call("PUT", "/file", body=b"0123456789")
    etag = (await tree.call("GET", "/file")).headers["etag"]
    answer = await tree.call("GET", "/file", headers={"If-None-Match": etag})
    assert (answer.status, answer.body) == (304, b"")
    headers = {"Range": "bytes=0-1", "If-Range": etag}
    assert (await tree.call("GET", "/file", headers=headers)).status == 206
    await tree.call("PUT", "/file", body=b"abcdefghij")
    answer = await tree.call("GET", "/file", headers=headers)
    assert (answer.status, answer.body) == (200, b"abcdefghij")


async def test_head_tells_the_size(tree):
    await tree.call("PUT", "/file", body=CONTENT)
    answer = await tree.call("HEAD", "/file")
    assert (answer.status, answer.headers["content-length"]) == (200, str(len(CONTENT)))


async def test_listing_of_a_directory(tree):
    for path in ("/a", "/b/c"):
        await tree.call("PUT", path, body=b"xyz")
    answer = await tree.call("GET", "", right="read")
    assert [(item["path"], item["kind"], item["size"]) for item in answer.json["items"]] == [
        ("a", "file", 3),
        ("b", "directory", 0),
    ]
    answer = await tree.call("GET", "?path=b&recursive=true", right="read")
    assert [item["path"] for item in answer.json["items"]] == ["b/c"]


@pytest.mark.parametrize("query", ["?recursive=perhaps", "?depth=3", "?path=a&path=b"])
async def test_query_that_is_not_understood_is_refused(tree, query):
    answer = await tree.call("GET", query)
    assert answer.status == 400
    assert answer.json["field"] in {"recursive", "depth", "path"}


async def test_delete(tree):
    await tree.call("PUT", "/a/b", body=b"x")
    assert (await tree.call("DELETE", "/a/b")).status == 204
    assert (await tree.call("DELETE", "/a/b")).problem == (404, "file-not-found")
    assert (await tree.call("DELETE", "/a")).status == 204
    assert await tree.names() == []


async def test_file_and_directory_in_each_others_place(tree):
    await tree.call("PUT", "/file", body=b"x")
    await tree.call("PUT", "/directory/file", body=b"x")
    assert (await tree.call("PUT", "/file/below", body=b"y")).problem == (409, "not-a-directory")
    assert (await tree.call("PUT", "/directory", body=b"y")).problem == (409, "is-a-directory")
    assert (await tree.call("GET", "/directory")).problem == (409, "is-a-directory")
