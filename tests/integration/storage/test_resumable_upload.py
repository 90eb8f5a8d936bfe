"""Uploads in pieces by the tus protocol: a client that knows nothing of ours, wrong pieces, racing clients on two storage-proxies."""

import asyncio
import hashlib

import pytest
from tusclient.client import TusClient

from quarterdeck.testing import shared_trees
from quarterdeck.testing.pieces import UPLOADS, of_grant

PIECE_BYTES = 1024 * 1024
ROUNDS = 50


@pytest.fixture(scope="session")
def system():
    """Storage-proxies that serve the same volume, for those who ask for several."""
    return shared_trees.system


def by_tus(grant, local):
    """Upload a file with tuspy, which computes a checksum of each piece."""
    client = TusClient(f"{grant.url}{UPLOADS}", {"Authorization": f"Bearer {grant.token}"})
    said = {"path": local.name}
    with local.open("rb") as file:
        client.uploader(
            file_stream=file, chunk_size=PIECE_BYTES, metadata=said, upload_checksum=True
        ).upload()


async def through_each(cluster, folder):
    """Uploads into a folder through each storage-proxy."""
    names = cluster.replicas("storage-proxy")
    return [
        of_grant(await folder.grant("write"), cluster.address(f"{name}.http")) for name in names
    ]


async def test_ten_megabytes_by_a_tus_client_are_a_file(user, observe, tmp_path, rng):
    """Behaviour 29: an upload in chunks is whole and leaves nothing. Send 10 MB with tuspy, compare SHA-256 on disk, look for leftovers."""
    noise = tmp_path / "noise.bin"
    noise.write_bytes(rng.randbytes(10_000_000))
    folder = await user.folders.create("noise")
    await asyncio.to_thread(by_tus, await folder.grant("write"), noise)
    (stored,) = observe.content(folder.id).items()
    assert stored[0] == "noise.bin"
    assert hashlib.sha256(stored[1]).digest() == hashlib.sha256(noise.read_bytes()).digest()
    assert observe.unfinished() == []


async def test_wrong_offset_is_refused_and_changes_no_byte(user, observe, rng):
    """Behaviour 30: a piece that does not come next is refused. Send pieces before and behind the place; compare bytes on disk."""
    content = rng.randbytes(100_000)
    folder = await user.folders.create("offsets")
    pieces = of_grant(await folder.grant("write"))
    target = await pieces.begin(len(content), path="file")
    await pieces.send(target, 0, content[:40_000])
    for wrong in (0, 39_999, 40_001, 99_999):
        answer = await pieces.send(target, wrong, b"x" * 10_000)
        assert answer.problem == (409, "offset-differs")
        assert answer.headers["upload-offset"] == "40000"
        (data,) = observe.unfinished()
        assert data.read_bytes() == content[:40_000]
    assert (await pieces.send(target, 40_000, content[40_000:])).status == 204
    assert observe.content(folder.id) == {"file": content}


@pytest.mark.cluster(**{"storage-proxy": 2})
async def test_two_clients_on_two_proxies_have_one_winner(private_cluster, user, observe, rng):
    """Behaviour 31: one writer at a time, wherever. Two clients send different content to two storage-proxies at once, 50 times."""
    folder = await user.folders.create("race")
    first, second = await through_each(private_cluster, folder)
    winners = set()
    for number in range(ROUNDS):
        contents = {pieces: rng.randbytes(200_000) for pieces in (first, second)}
        target = await first.begin(200_000, path=f"file-{number}")
        async with asyncio.TaskGroup() as group:
            racing = {
                pieces: group.create_task(pieces.send(target, 0, content))
                for pieces, content in contents.items()
            }
        won = [pieces for pieces, task in racing.items() if task.result().status == 204]
        lost = [task.result().problem for task in racing.values() if task.result().status != 204]
        assert len(won) == 1
        assert lost[0] in {(423, "upload-busy"), (409, "offset-differs")}
        assert observe.content(folder.id)[f"file-{number}"] == contents[won[0]]
        winners.add(won[0])
    assert observe.unfinished() == []
    assert winners <= {first, second}


@pytest.mark.cluster(**{"storage-proxy": 2})
async def test_two_clients_that_share_an_upload_finish_it_together(
    private_cluster, user, observe, rng
):
    """Behaviour 31: two proxies hand an upload to and fro. Both clients send what comes next, again and again, 50 times; compare bytes."""
    folder = await user.folders.create("shared")
    clients = await through_each(private_cluster, folder)
    content = rng.randbytes(160_000)

    async def go_on(pieces, target):
        while (offset := await pieces.offset(target)) < len(content):
            answer = await pieces.send(target, offset, content[offset : offset + 20_000])
            assert answer.status in {204, 409, 423}, answer

    for number in range(ROUNDS):
        target = await clients[0].begin(len(content), path=f"file-{number}")
        async with asyncio.TaskGroup() as group:
            for pieces in clients:
                group.create_task(go_on(pieces, target))
        assert observe.content(folder.id)[f"file-{number}"] == content
    assert observe.unfinished() == []


async def test_parts_that_go_at_the_same_time_are_one_file(user, observe, tmp_path, rng):
    """Parallel parts. Send 40 MiB in four parts by the SDK; see several under way at once, compare the file on disk, look for leftovers."""
    noise = tmp_path / "noise.bin"
    noise.write_bytes(rng.randbytes(40 * 1024 * 1024))
    folder = await user.folders.create("parts")
    pieces = of_grant(await folder.grant("write"))
    most = 0

    async def watch():
        nonlocal most
        while True:
            most = max(most, len((await pieces.call("GET")).json["items"]))

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch())
        (entry,) = await folder.upload(noise, "deep/joined.bin", parts=4)
        watching.cancel()
    assert most >= 2
    assert entry.size == noise.stat().st_size
    assert observe.content(folder.id) == {"deep/joined.bin": noise.read_bytes()}
    assert observe.unfinished() == []
