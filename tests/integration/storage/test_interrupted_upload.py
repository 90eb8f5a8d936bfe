"""Uploads whose storage-proxy dies, or whose link breaks, at any byte: what is kept is kept, the rest is sent again, nothing is left."""

import asyncio
import contextlib
import hashlib

import pytest

from quarterdeck.testing.pieces import of_grant
from quarterdeck.testing.scopes import Scope
from shakeout.links.behaviour import Behaviour
from shakeout.waiting.until import until

PIECE_BYTES = 256 * 1024
PIECES = 12
CUTS = 50
SECONDS_MAX = 20
SLOW_BYTES = 8 * 1024 * 1024
BROKEN_BYTES = 3_000_000
LARGE_BYTES = 24 * 1024 * 1024


async def written(observe, size):
    """Wait until at least so many bytes are on disk."""
    (data,) = observe.unfinished()
    await until(
        lambda: data.stat().st_size, within=SECONDS_MAX, satisfied=lambda found: found >= size
    )


async def free(pieces, target):
    """Wait until nobody writes; return how many bytes are kept."""

    async def attempt():
        return await pieces.send(target, 10**17, b"")

    answer = await until(
        attempt, within=SECONDS_MAX, satisfied=lambda answer: answer.status == 409
    )
    return int(answer.headers["upload-offset"])


async def interrupted(pieces, observe, content, rng, interrupt, *, keeps_halves):
    """Send a file by pieces and halves of pieces, each half broken off after a random number of bytes; look how far each came."""
    target = await pieces.begin(len(content), path="file", sha256="")
    kept = [0]
    share = len(content) // CUTS
    for _ in range(CUTS):
        whole, half = rng.randrange(1, share // 2), rng.randrange(1, share // 2)
        at = kept[-1] + whole
        assert (await pieces.send(target, kept[-1], content[kept[-1] : at])).status == 204
        async with pieces.half(target, at, content[at : at + half], len(content) - at):
            await written(observe, at + half)
            await interrupt()
        kept.append(await free(pieces, target))
        assert kept[-1] == (at + half if keeps_halves else at)
    whole_sum = {"X-Content-SHA256": hashlib.sha256(content).hexdigest()}
    answer = await pieces.send(target, kept[-1], content[kept[-1] :], **whole_sum)
    assert answer.status == 204, answer


@pytest.mark.timeout(300)
async def test_proxy_killed_at_every_part_boundary(private_cluster, user, observe, rng):
    """Behaviour 32: what was acknowledged stays. SIGKILL the storage-proxy after each piece and compare."""
    content = rng.randbytes(PIECE_BYTES * PIECES)
    folder = await user.folders.create("boundaries")
    pieces = of_grant(await folder.grant("write"))
    target = await pieces.begin(len(content), path="file")
    for at in range(0, len(content), PIECE_BYTES):
        answer = await pieces.send(target, at, content[at : at + PIECE_BYTES])
        assert answer.status == 204
        await private_cluster.kill("storage-proxy")
        await private_cluster.start("storage-proxy")
        assert await pieces.offset(target) == at + PIECE_BYTES
    assert observe.content(folder.id) == {"file": content}
    assert observe.unfinished() == []


@pytest.mark.timeout(300)
async def test_proxy_killed_at_fifty_random_bytes(private_cluster, user, observe, rng):
    """Behaviours 32, 36: a killed storage-proxy costs one piece at most. SIGKILL it at 50 random bytes, with a quota of just this file."""
    content = rng.randbytes(4 * 1024 * 1024)
    folder = await user.folders.create("killed")
    scope = Scope(private_cluster.address("storage-proxy.http"), user.id)
    await scope.limit(len(content), 1)
    pieces = of_grant(await folder.grant("write"))

    async def kill():
        await private_cluster.kill("storage-proxy")
        await private_cluster.start("storage-proxy")

    await interrupted(pieces, observe, content, rng, kill, keeps_halves=False)
    assert observe.content(folder.id) == {"file": content}
    assert observe.unfinished() == []
    assert await scope.used() == (len(content), 1)


@pytest.mark.links
@pytest.mark.timeout(300)
async def test_link_reset_at_fifty_random_bytes(private_cluster, user, observe, rng):
    """Behaviour 32: a broken link costs nothing that had arrived. Reset it at 50 random bytes of one upload; go on each time."""
    content = rng.randbytes(4 * 1024 * 1024)
    folder = await user.folders.create("cut")
    pieces = of_grant(await folder.grant("write"))
    link = private_cluster.links.link("test", "storage-proxy")
    await interrupted(pieces, observe, content, rng, link.reset, keeps_halves=True)
    assert observe.content(folder.id) == {"file": content}
    assert observe.unfinished() == []


@contextlib.asynccontextmanager
async def breaking(cluster):
    """Reset the link to the storage-proxy, or kill it, after every 3 MB; give the list of what was done."""
    link = cluster.links.link("test", "storage-proxy")
    done: list[int] = []

    async def carried():
        counters = await link.counters()
        return counters.bytes_forth + counters.bytes_back

    async def break_it():
        while True:
            far = await carried() + BROKEN_BYTES
            await until(carried, within=SECONDS_MAX, satisfied=far.__le__)
            if len(done) % 3 == 2:
                await cluster.kill("storage-proxy")
                await cluster.start("storage-proxy")
            else:
                await link.reset()
            done.append(far)

    await link.set(Behaviour.slowed(SLOW_BYTES))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(break_it())
        yield done
        task.cancel()


@pytest.mark.links
@pytest.mark.timeout(300)
async def test_sdk_goes_on_over_broken_links_and_deaths(
    private_cluster, user, observe, tmp_path, rng
):
    """One call uploads, one downloads, whatever breaks. Reset the link and kill the storage-proxy meanwhile; compare all bytes."""
    noise = tmp_path / "noise.bin"
    noise.write_bytes(rng.randbytes(LARGE_BYTES))
    folder = await user.folders.create("stubborn")
    async with breaking(private_cluster) as done:
        await folder.upload(noise)
    assert len(done) >= 3
    assert observe.content(folder.id) == {"noise.bin": noise.read_bytes()}
    assert observe.unfinished() == []
    async with breaking(private_cluster) as done:
        await folder.download("noise.bin", tmp_path / "again.bin")
    assert len(done) >= 3
    assert (tmp_path / "again.bin").read_bytes() == noise.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.bin", "noise.bin"]


async def test_upload_that_is_given_up_is_gone_on_with(user, observe, tmp_path, rng):
    """The next attempt sends what is missing. Cancel an upload after the first piece, upload the same file again; count the pieces."""
    noise = tmp_path / "noise.bin"
    noise.write_bytes(rng.randbytes(LARGE_BYTES))
    folder = await user.folders.create("twice")
    uploading = asyncio.get_running_loop().create_task(folder.upload(noise))
    pieces = of_grant(await folder.grant("write"))

    async def under_way():
        return (await pieces.call("GET")).json["items"]

    (seen,) = await until(
        under_way,
        within=SECONDS_MAX,
        satisfied=lambda items: any(item["offset"] for item in items),
    )
    uploading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await uploading
    await free(pieces, f"/client/v1/uploads/{seen['id']}")
    (left,) = await under_way()
    assert left["offset"] >= seen["offset"] > 0
    await folder.upload(noise)
    assert await pieces.offset(f"/client/v1/uploads/{seen['id']}") == LARGE_BYTES
    assert observe.content(folder.id) == {"noise.bin": noise.read_bytes()}
    assert observe.unfinished() == []
