"""Uploads in pieces by the tus protocol, byte for byte, on a real storage-proxy."""

import contextlib
import hashlib
import zlib

import pytest

from quarterdeck.storage_proxy.model import Limits
from quarterdeck.testing.pieces import PIECE, UPLOADS, Pieces, checksum, metadata
from shakeout.faults import lifecycle
from shakeout.faults.clock import ClockJump
from shakeout.waiting.until import until

CONTENT = bytes(range(256)) * 64
SIZE = len(CONTENT)


@pytest.fixture
def pieces(tree):
    """Uploads into the tree."""
    return into(tree)


def into(tree, right="write"):
    """Uploads into a tree by a token for this right."""
    return Pieces(tree.proxy, tree.proxy.token(tree.host, tree.id, right))


def files(tree, disk):
    """The files in the tree, as they are on disk."""
    root = disk / "trees" / tree.id / "files"
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def data_left(tree, disk):
    """What uploads have left in the tree, but for the records of those that are finished."""
    return [path.name for path in (disk / "trees" / tree.id).glob("uploads/*.data")]


async def test_pieces_become_a_file_at_its_end_only(pieces, tree, disk):
    target = await pieces.begin(SIZE, path="deep/er/file.bin")
    assert (await pieces.send(target, 0, CONTENT[:1000])).headers["upload-offset"] == "1000"
    assert files(tree, disk) == {}
    answer = await pieces.call("HEAD", target)
    assert answer.headers["upload-length"] == str(len(CONTENT))
    assert answer.headers["cache-control"] == "no-store"
    assert (await pieces.send(target, 1000, CONTENT[1000:])).status == 204
    assert files(tree, disk) == {"deep/er/file.bin": CONTENT}
    assert data_left(tree, disk) == []
    assert await pieces.offset(target) == len(CONTENT)


async def test_what_there_is_can_be_asked_without_a_token(proxy):
    answer = await proxy.call("OPTIONS", UPLOADS)
    assert answer.status == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert {"creation", "checksum", "termination", "expiration", "concatenation"} <= set(
        answer.headers["tus-extension"].split(",")
    )
    assert set(answer.headers["tus-checksum-algorithm"].split(",")) == {"crc32", "sha1", "sha256"}


async def test_another_version_is_refused_with_ours(pieces):
    answer = await pieces.call("POST", headers={"Tus-Resumable": "0.2.2"}, body=b"")
    assert answer.problem == (412, "precondition-failed")
    assert answer.headers["tus-version"] == "1.0.0"
    assert answer.headers["tus-resumable"] == "1.0.0"


@pytest.mark.parametrize("at", [0, 999, 1001, 10**17])
async def test_wrong_offset_changes_nothing(pieces, tree, disk, at):
    target = await pieces.begin(SIZE, path="file")
    await pieces.send(target, 0, CONTENT[:1000])
    answer = await pieces.send(target, at, b"x" * 100)
    assert answer.problem == (409, "offset-differs")
    assert answer.headers["upload-offset"] == "1000"
    (data,) = (disk / "trees" / tree.id).glob("uploads/*.data")
    assert data.read_bytes() == CONTENT[:1000]


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "crc32"])
async def test_damaged_piece_is_not_kept(pieces, tree, disk, algorithm):
    target = await pieces.begin(SIZE, path="file")
    bad = checksum(b"another", algorithm)
    answer = await pieces.send(target, 0, CONTENT, **bad)
    assert answer.problem == (460, "piece-damaged")
    assert await pieces.offset(target) == 0
    good = checksum(CONTENT, algorithm)
    assert (await pieces.send(target, 0, CONTENT, **good)).status == 204
    assert files(tree, disk) == {"file": CONTENT}


@pytest.mark.parametrize("header", ["md5 AAAA", "sha256 AAAA", "sha256", "sha1 %%%"])
async def test_checksum_that_is_none_is_refused(pieces, header):
    target = await pieces.begin(SIZE, path="file")
    answer = await pieces.send(target, 0, CONTENT, **{"Upload-Checksum": header})
    assert answer.problem == (400, "upload-refused")
    assert await pieces.offset(target) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"sha256": hashlib.sha256(b"another").hexdigest()},
        {"crc32": f"{zlib.crc32(b'another'):08x}"},
    ],
)
async def test_whole_that_is_not_what_was_announced_is_forgotten(pieces, tree, disk, wrong):
    target = await pieces.begin(SIZE, path="file", **wrong)
    await pieces.send(target, 0, CONTENT[:5])
    answer = await pieces.send(target, 5, CONTENT[5:])
    assert answer.problem == (422, "checksum-mismatch")
    assert (files(tree, disk), data_left(tree, disk)) == ({}, [])
    assert (await pieces.call("HEAD", target)).status == 404


@pytest.mark.parametrize("promised", ["sha256", "crc32"])
@pytest.mark.parametrize("told", ["sha256", "crc32"])
async def test_checksum_of_the_whole_may_follow_with_the_last_piece(
    pieces, tree, disk, promised, told
):
    """Promise one, end without any, with a wrong one of either kind, then with the right one, which is compared whatever was promised."""
    right = {"sha256": hashlib.sha256(CONTENT).hexdigest(), "crc32": f"{zlib.crc32(CONTENT):08x}"}
    target = await pieces.begin(SIZE, path="file", **{promised: ""})
    await pieces.send(target, 0, CONTENT[:5])
    assert (await pieces.send(target, 5, CONTENT[5:])).problem == (400, "upload-refused")
    assert await pieces.offset(target) == 5
    whole = {f"X-Content-{told.upper()}": right[told]}
    assert (await pieces.send(target, 5, CONTENT[5:], **whole)).status == 204
    assert files(tree, disk) == {"file": CONTENT}
    target = await pieces.begin(SIZE, path="file", **{promised: ""})
    wrong = {f"X-Content-{told.upper()}": "0" * len(right[told])}
    answer = await pieces.send(target, 0, CONTENT, **wrong)
    assert answer.problem == (422, "checksum-mismatch")
    assert files(tree, disk) == {"file": CONTENT}


async def test_checksum_of_the_whole_is_compared_also_when_another_is_told(pieces, tree, disk):
    """Announce a wrong CRC-32 and end with the right SHA-256; tell a whole's checksum with a piece that is not the last, or with a join."""
    right = {"X-Content-SHA256": hashlib.sha256(CONTENT).hexdigest()}
    target = await pieces.begin(SIZE, path="file", crc32="00000000")
    assert (await pieces.send(target, 0, CONTENT, **right)).problem == (422, "checksum-mismatch")
    target = await pieces.begin(SIZE, path="file")
    early = await pieces.send(target, 0, CONTENT[:5], **right)
    assert early.problem == (400, "upload-refused")
    assert await pieces.offset(target) == 0
    part = await pieces.begin(3, headers={"Upload-Concat": "partial"})
    await pieces.send(part, 0, b"abc")
    final = {"Upload-Concat": f"final;{part}", **metadata(path="joined"), **right}
    assert (await pieces.call("POST", headers=final, body=b"")).problem == (400, "upload-refused")
    assert files(tree, disk) == {}


@pytest.mark.parametrize(
    "told", [{"sha256": "0" * 63}, {"crc32": "0" * 9}, {"crc32": "", "sha256": ""}]
)
async def test_checksum_of_the_whole_that_is_none_is_refused(pieces, told):
    answer = await pieces.call(
        "POST", headers={"Upload-Length": "5", **metadata(path="file", **told)}, body=b""
    )
    assert answer.problem == (400, "upload-refused")


async def test_piece_that_breaks_off_counts_as_far_as_it_came(pieces, tree, disk):
    target = await pieces.begin(SIZE, path="file")
    async with pieces.half(target, 0, CONTENT[:7000], SIZE):
        (data,) = (disk / "trees" / tree.id).glob("uploads/*.data")
        await until(lambda: data.stat().st_size, within=5, satisfied=lambda size: size == 7000)
        assert (await pieces.send(target, 0, CONTENT)).problem == (423, "upload-busy")
        assert await pieces.offset(target) == 0
    await until(lambda: pieces.offset(target), within=5, satisfied=lambda kept: kept == 7000)
    assert (await pieces.send(target, 7000, CONTENT[7000:])).status == 204
    assert files(tree, disk) == {"file": CONTENT}


async def test_piece_with_a_checksum_that_breaks_off_does_not_count(pieces, tree, disk):
    target = await pieces.begin(SIZE, path="file")
    await pieces.send(target, 0, CONTENT[:100])
    (data,) = (disk / "trees" / tree.id).glob("uploads/*.data")
    async with pieces.half(target, 100, CONTENT[100:7000], SIZE - 100, **checksum(CONTENT[100:])):
        await until(lambda: data.stat().st_size, within=5, satisfied=lambda size: size == 7000)
    await until(lambda: data.stat().st_size, within=5, satisfied=lambda size: size == 100)
    assert await pieces.offset(target) == 100
    assert (await pieces.send(target, 100, CONTENT[100:])).status == 204
    assert files(tree, disk) == {"file": CONTENT}


async def test_piece_with_a_checksum_that_is_killed_does_not_count(private_cluster, tree, disk):
    pieces = into(tree)
    target = await pieces.begin(SIZE, path="file")
    async with pieces.half(target, 0, b"x" * 7000, SIZE, **checksum(CONTENT)):
        (data,) = (disk / "trees" / tree.id).glob("uploads/*.data")
        await until(lambda: data.stat().st_size, within=5, satisfied=lambda size: size == 7000)
        await private_cluster.kill("storage-proxy")
    await private_cluster.start("storage-proxy")
    assert await pieces.offset(target) == 0
    assert (await pieces.send(target, 0, CONTENT[:100])).status == 204
    assert data.read_bytes() == CONTENT[:100]


async def test_piece_beyond_the_end_is_refused(pieces, tree, disk):
    target = await pieces.begin(10, path="file")
    assert (await pieces.send(target, 0, b"x" * 11)).problem == (413, "file-too-large")
    assert await pieces.offset(target) == 0
    assert files(tree, disk) == {}


async def test_file_over_the_limit_is_refused_before_it_begins(pieces, tree, disk):
    for method, target, headers in (
        ("POST", UPLOADS, {"Upload-Length": str(2**50), **metadata(path="file")}),
        ("PUT", "/client/v1/files/file", {"Content-Length": str(2**50)}),
    ):
        answer = await pieces.call(method, target, headers)
        assert answer.problem == (413, "file-too-large")
    assert data_left(tree, disk) == []


async def test_empty_file_is_there_at_once(pieces, tree, disk):
    await pieces.begin(0, path="empty", sha256="")
    assert files(tree, disk) == {"empty": b""}
    assert data_left(tree, disk) == []


async def test_content_may_come_with_the_beginning(pieces, tree, disk):
    headers = {**PIECE, "Upload-Length": str(len(CONTENT)), **metadata(path="file")}
    answer = await pieces.call("POST", headers=headers, body=CONTENT)
    assert (answer.status, answer.headers["upload-offset"]) == (201, str(len(CONTENT)))
    assert files(tree, disk) == {"file": CONTENT}


async def test_upload_that_is_ended_leaves_nothing(pieces, tree, disk):
    target = await pieces.begin(SIZE, path="file")
    await pieces.send(target, 0, CONTENT[:1000])
    assert (await pieces.call("DELETE", target)).status == 204
    assert (await pieces.call("HEAD", target)).status == 404
    assert (await pieces.send(target, 1000, b"x")).problem == (404, "upload-not-found")
    assert list((disk / "trees" / tree.id / "uploads").iterdir()) == []


async def test_post_may_stand_for_other_methods(pieces, tree, disk):
    target = await pieces.begin(SIZE, path="file")
    headers = {**PIECE, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert (await pieces.call("POST", target, headers, CONTENT)).status == 204
    assert files(tree, disk) == {"file": CONTENT}
    assert (await pieces.call("POST", target, body=b"")).problem == (405, "method-not-allowed")


async def test_parts_are_joined_in_the_order_that_is_asked_for(pieces, tree, disk):
    halves = [CONTENT[:5000], CONTENT[5000:]]
    partial = {"Upload-Concat": "partial"}
    targets = [await pieces.begin(len(half), headers=partial) for half in halves]
    for target, half in reversed(list(zip(targets, halves, strict=True))):
        await pieces.send(target, 0, half)
    final = {
        "Upload-Concat": f"final;{' '.join(targets)}",
        **metadata(path="a/joined", sha256=hashlib.sha256(CONTENT).hexdigest()),
    }
    answer = await pieces.call("POST", headers=final, body=b"")
    assert (answer.status, answer.headers["upload-offset"]) == (201, str(len(CONTENT)))
    assert files(tree, disk) == {"a/joined": CONTENT}
    assert data_left(tree, disk) == []


async def test_part_that_is_not_whole_is_not_joined(pieces, tree, disk):
    target = await pieces.begin(10, headers={"Upload-Concat": "partial"})
    await pieces.send(target, 0, b"12345")
    final = {"Upload-Concat": f"final;{target}", **metadata(path="joined")}
    assert (await pieces.call("POST", headers=final, body=b"")).problem == (400, "upload-refused")
    assert await pieces.offset(target) == 5
    assert files(tree, disk) == {}


async def test_joint_that_is_damaged_leaves_its_parts(pieces, tree, disk):
    target = await pieces.begin(3, headers={"Upload-Concat": "partial"})
    await pieces.send(target, 0, b"abc")
    wrong = hashlib.sha256(b"abd").hexdigest()
    final = {"Upload-Concat": f"final;{target}", **metadata(path="joined", sha256=wrong)}
    answer = await pieces.call("POST", headers=final, body=b"")
    assert answer.problem == (422, "checksum-mismatch")
    assert (files(tree, disk), len(data_left(tree, disk))) == ({}, 1)


@pytest.mark.parametrize(
    "path", ["../out", "/etc/passwd", "a//b", "a/../../b", "%2e%2e/x", "a\0b", "n" * 256]
)
async def test_path_in_metadata_is_judged(pieces, disk, path):
    before = sorted(disk.rglob("*"))
    given = {"Upload-Length": "3", **metadata(path=path)}
    answer = await pieces.call("POST", headers=given, body=b"")
    assert answer.status == 400
    assert answer.json["code"] in {"path-refused", "path-too-long"}
    assert sorted(disk.rglob("*")) == before


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Upload-Length": "-1"},
        {"Upload-Length": "x"},
        {"Upload-Length": "3"},
        {"Upload-Length": "3", "Upload-Metadata": "path %%%"},
        {"Upload-Length": "3", "Upload-Metadata": "path YQ==,path Yg=="},
        {"Upload-Length": "3", **metadata(path="a", sha256="abc")},
        {"Upload-Length": "3", "Upload-Concat": "some", **metadata(path="a")},
        {"Upload-Concat": "final;", **metadata(path="a")},
    ],
)
async def test_beginning_that_makes_no_sense_is_refused(pieces, tree, disk, headers):
    answer = await pieces.call("POST", headers=headers, body=b"")
    assert answer.problem == (400, "upload-refused")
    assert not (disk / "trees" / tree.id / "uploads").exists()


async def test_directory_in_the_place_of_the_file_is_told_at_once(pieces, tree):
    await tree.call("PUT", "/directory/file", body=b"x")
    given = {"Upload-Length": "3", **metadata(path="directory")}
    assert (await pieces.call("POST", headers=given, body=b"")).problem == (409, "is-a-directory")


async def test_too_many_uploads_of_a_folder_are_refused(pieces):
    targets = [await pieces.begin(SIZE, path="file") for _ in range(100)]
    given = {"Upload-Length": "3", **metadata(path="file")}
    answer = await pieces.call("POST", headers=given, body=b"")
    assert answer.problem == (409, "too-many-uploads")
    await pieces.call("DELETE", targets[0])
    await pieces.begin(SIZE, path="file")


async def test_token_to_read_uploads_nothing(pieces, tree):
    target = await pieces.begin(SIZE, path="file")
    for method, where in (
        ("POST", UPLOADS),
        ("PATCH", target),
        ("HEAD", target),
        ("GET", UPLOADS),
    ):
        answer = await into(tree, "read").call(method, where)
        assert answer.status == 403
    assert await pieces.offset(target) == 0


async def test_uploads_under_way_are_listed(pieces):
    target = await pieces.begin(SIZE, path="dir/file", source="mine")
    await pieces.send(target, 0, CONTENT[:1000])
    (found,) = (await pieces.call("GET")).json["items"]
    assert target.endswith(found["id"])
    assert (found["path"], found["offset"], found["source"]) == ("dir/file", 1000, "mine")
    await pieces.send(target, 1000, CONTENT[1000:])
    assert (await pieces.call("GET")).json["items"] == []


async def test_upload_that_took_too_long_is_gone(private_cluster, tree, disk):
    token = tree.proxy.token(tree.host, tree.id, "write", seconds=48 * 3600)
    late = Pieces(tree.proxy, token)
    target = await late.begin(SIZE, path="file")
    await late.send(target, 0, CONTENT[:1000])
    async with lifecycle.injected(ClockJump("storage-proxy", 25 * 3600), private_cluster):
        assert (await late.call("GET")).json["items"] == []
        assert (await late.send(target, 1000, CONTENT[1000:])).problem == (410, "upload-expired")
        assert (await late.call("HEAD", target)).status == 410
        again = await late.begin(SIZE, path="other")
        assert (await late.call("HEAD", target)).status == 404
        assert data_left(tree, disk) == [f"{again.rpartition('/')[2]}.data"]
        assert files(tree, disk) == {}


async def test_storage_proxy_looks_for_expired_uploads_by_itself(private_cluster, tree, disk):
    late = Pieces(tree.proxy, tree.proxy.token(tree.host, tree.id, "write"))
    await late.begin(SIZE, path="file")
    async with lifecycle.injected(ClockJump("storage-proxy", 25 * 3600), private_cluster):
        await private_cluster.restart("storage-proxy")
        await until(
            lambda: list((disk / "trees" / tree.id / "uploads").iterdir()),
            within=10,
            satisfied=lambda left: left == [],
        )


async def test_too_many_transfers_of_one_user_are_refused(pieces, tree, proxy):
    partial = {"Upload-Concat": "partial"}
    parts = [await pieces.begin(SIZE, headers=partial) for _ in range(Limits().transfers_max)]

    async def attempt():
        return (await tree.call("GET", "/nothing")).problem

    async with contextlib.AsyncExitStack() as stack:
        for part in parts:
            await stack.enter_async_context(pieces.half(part, 0, CONTENT[:10], SIZE))
        refused = (429, "too-many-transfers")
        await until(attempt, within=10, satisfied=lambda problem: problem == refused)
        assert (await tree.call_client("GET", "/files")).problem == refused
        assert (await tree.call("DELETE", "/nothing")).problem == refused
        bearer = proxy.token(tree.host, "0195c0de-0000-7000-8000-000000000001", "read")
        answer = await proxy.call("GET", "/client/v1/files/x", bearer=bearer)
        assert answer.problem == (404, "tree-not-found")
    await until(attempt, within=10, satisfied=lambda problem: problem == (404, "file-not-found"))
