"""Uploads in pieces into a bucket, seen with boto3: chunks become an object, one writer by a lease, nothing of a writer that lost it counts."""

import asyncio
import hashlib

import pytest

from quarterdeck.testing import shared_trees
from quarterdeck.testing.pieces import checksum, of_grant
from quarterdeck.wire import nodes
from shakeout.faults import lifecycle
from shakeout.faults.process import Pause
from shakeout.waiting.until import until

pytestmark = pytest.mark.needs("s3")

SECONDS_MAX = 30
ROUNDS = 20
LARGE_BYTES = 20 * 1024 * 1024
TWO = pytest.mark.cluster(**{"storage-proxy": 2})


@pytest.fixture(scope="session")
def system():
    """Storage-proxies that serve the same bucket, for those who ask for several."""
    return shared_trees.system


def stored(observe, folder):
    """The files of a folder as objects."""
    prefix = f"files/{folder.id}/"
    return {key.partition(prefix)[2]: data for key, data in observe.objects(prefix).items()}


def chunks(observe, folder):
    """What uploads have left in the bucket, but for what is said of them."""
    names = [key.rpartition("/")[2] for key in observe.objects(f"uploads/{folder.id}/")]
    return [name for name in names if name != "record" and not name.startswith("kept-")]


async def lease_is_held(observe):
    """Wait until somebody writes an upload. Asking by a piece of one's own would take the lease for a moment, and refuse the other."""
    await until(
        lambda: observe.etcd.below(f"{nodes.PREFIX}uploads/"), within=SECONDS_MAX, satisfied=bool
    )


async def through_each(cluster, folder):
    """Uploads into a folder through each storage-proxy."""
    names = cluster.replicas("storage-proxy")
    return [
        of_grant(await folder.grant("write"), cluster.address(f"{name}.http")) for name in names
    ]


async def test_large_file_goes_in_pieces_and_is_one_object(user, observe, tmp_path, rng):
    """The SDK resumes on S3, too. Send 20 MiB, compare with the object, look for chunks that were left."""
    noise = tmp_path / "noise.bin"
    noise.write_bytes(rng.randbytes(LARGE_BYTES))
    folder = await user.folders.create("archive", host="archive")
    await folder.upload(noise, "deep/noise.bin")
    assert stored(observe, folder) == {"deep/noise.bin": noise.read_bytes()}
    assert chunks(observe, folder) == []
    await folder.download("deep/noise.bin", tmp_path / "again.bin")
    assert (tmp_path / "again.bin").read_bytes() == noise.read_bytes()
    await folder.delete()
    assert not [key for key in observe.objects() if folder.id in key]


async def test_pieces_of_any_size_are_kept_as_they_are_told(user, observe, rng):
    """Offsets are what the bucket has. Send uneven pieces, a wrong one and a damaged one; the object is what was accepted."""
    content = rng.randbytes(100_000)
    folder = await user.folders.create("archive", host="archive")
    pieces = of_grant(await folder.grant("write"))
    target = await pieces.begin(len(content), path="file", sha256="")
    assert (await pieces.send(target, 0, content[:10])).status == 204
    assert (await pieces.send(target, 5, b"x")).problem == (409, "offset-differs")
    damaged = await pieces.send(target, 10, content[10:500], **checksum(b"another"))
    assert damaged.problem == (460, "piece-damaged")
    assert await pieces.offset(target) == 10
    good = await pieces.send(target, 10, content[10:70_000], **checksum(content[10:70_000]))
    assert good.headers["upload-offset"] == "70000"
    assert stored(observe, folder) == {}
    whole = {"X-Content-SHA256": hashlib.sha256(content).hexdigest()}
    assert (await pieces.send(target, 70_000, content[70_000:], **whole)).status == 204
    assert stored(observe, folder) == {"file": content}
    assert chunks(observe, folder) == []


async def test_upload_that_is_ended_leaves_no_object(user, observe):
    """Termination removes everything. Send a piece, end the upload, look at the bucket."""
    folder = await user.folders.create("archive", host="archive")
    pieces = of_grant(await folder.grant("write"))
    target = await pieces.begin(1000, path="file")
    await pieces.send(target, 0, b"x" * 500)
    assert (await pieces.call("DELETE", target)).status == 204
    assert observe.objects(f"uploads/{folder.id}/") == {}


@TWO
async def test_two_proxies_have_one_winner_on_s3(private_cluster, user, observe, rng):
    """Behaviour 31: one writer by a lease. Two clients send different content through two storage-proxies at once, 20 times."""
    folder = await user.folders.create("archive", host="archive")
    both = await through_each(private_cluster, folder)
    for number in range(ROUNDS):
        contents = [rng.randbytes(50_000) for _ in both]
        target = await both[0].begin(50_000, path=f"file-{number}")
        async with asyncio.TaskGroup() as group:
            racing = [
                group.create_task(pieces.send(target, 0, content))
                for pieces, content in zip(both, contents, strict=True)
            ]
        statuses = [task.result().status for task in racing]
        assert sorted(statuses) in ([204, 409], [204, 423])
        winner = contents[statuses.index(204)]
        assert stored(observe, folder)[f"file-{number}"] == winner
    assert chunks(observe, folder) == []


@TWO
@pytest.mark.timeout(120)
async def test_writer_that_sleeps_through_its_lease_writes_nothing(
    private_cluster, user, observe, rng
):
    """Fencing. Stop a storage-proxy in the midst of a piece, finish through the other one, wake it up: what it had does not count."""
    content = rng.randbytes(200_000)
    folder = await user.folders.create("archive", host="archive")
    first, second = await through_each(private_cluster, folder)
    target = await first.begin(len(content), path="file")
    async with first.half(target, 0, b"x" * 1000, len(content)):
        await lease_is_held(observe)
        assert (await second.send(target, 0, b"y")).problem == (423, "upload-busy")
        async with lifecycle.injected(Pause("storage-proxy-1"), private_cluster):
            answer = await until(
                lambda: second.send(target, 0, content),
                within=SECONDS_MAX,
                satisfied=lambda answer: answer.status != 423,
            )
            assert answer.status == 204, answer
    await until(lambda: chunks(observe, folder), within=SECONDS_MAX, satisfied=bool)
    for pieces in (first, second):
        assert await pieces.offset(target) == len(content)
        assert (await pieces.send(target, 1000, b"x")).problem == (409, "offset-differs")
    assert stored(observe, folder) == {"file": content}


async def test_killed_proxy_costs_one_piece_on_s3(private_cluster, user, observe, rng):
    """Behaviour 32: SIGKILL in the midst of the second piece; the first is kept, the rest is sent again when the lease has run out."""
    content = rng.randbytes(300_000)
    folder = await user.folders.create("archive", host="archive")
    pieces = of_grant(await folder.grant("write"))
    target = await pieces.begin(len(content), path="file")
    await pieces.send(target, 0, content[:100_000])
    async with pieces.half(target, 100_000, content[100_000:150_000], 200_000):
        await lease_is_held(observe)
        await private_cluster.kill("storage-proxy")
    await private_cluster.start("storage-proxy")
    assert await pieces.offset(target) == 100_000
    answer = await until(
        lambda: pieces.send(target, 100_000, content[100_000:]),
        within=SECONDS_MAX,
        satisfied=lambda answer: answer.status != 423,
    )
    assert answer.status == 204, answer
    assert stored(observe, folder) == {"file": content}
    assert chunks(observe, folder) == []
