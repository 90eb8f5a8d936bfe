"""Quotas on plain directories: what is refused, what is freed, and that the count is what lies on the disk."""

import asyncio
import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import pytest

from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.model import Limits, Upload
from quarterdeck.storage_proxy.transfers.pieces import Piece, Pieces
from quarterdeck.storage_proxy.volumes import local, quotas
from quarterdeck.testing.fakes.clock import FakeClock
from quarterdeck.testing.volume_client import VolumeClient, at, stream
from quarterdeck.wire.trees import QuotaLimits

TREE = "0195c0de-0000-7000-8000-000000000001"
OTHER = "0195c0de-0000-7000-8000-000000000002"
SCOPE = "somebody"


@dataclass
class Place:
    """A volume with one tree in a scope, and what the disk says about it."""

    root: Path
    clock: FakeClock
    volume: local.LocalVolume
    tree: VolumeClient

    @property
    def files(self):
        return self.root / "trees" / TREE / "files"

    async def limit(self, size=None, inodes=None):
        await self.volume.limit(SCOPE, QuotaLimits(bytes=size, inodes=inodes))

    async def used(self):
        view = await self.volume.quota(SCOPE)
        return view.bytes_used, view.inodes_used

    async def as_on_disk(self):
        """The count, which must be what the disk holds."""
        self.clock.advance(quotas.COUNTED_SECONDS_MAX / 2)
        used = await self.used()
        assert used == on_disk(self.root), used
        return used

    def under_way(self):
        return [
            *self.root.glob("trees/*/staging/*"),
            *self.root.glob(f"scopes/{SCOPE}/pending/*"),
        ]


def on_disk(root):
    """Bytes and inodes of all trees: what an auditor with `find` would say."""
    seen = [*root.glob("trees/*/files/**/*"), *root.glob("trees/*/uploads/*.data")]
    sizes = [path.lstat().st_size for path in seen if path.is_file() and not path.is_symlink()]
    return sum(sizes), len(seen)


@contextlib.contextmanager
def opened(root, clock):
    with contextlib.closing(local.LocalVolume(root, clock, Limits())) as volume:
        yield volume


@pytest.fixture
def place(tmp_path, shakeout_runner):
    clock = FakeClock()
    with opened(tmp_path / "volume", clock) as volume:
        shakeout_runner.run(volume.create_tree(TREE, SCOPE))
        yield Place(tmp_path / "volume", clock, volume, VolumeClient(volume, TREE))


async def test_what_fits_exactly_passes_and_a_byte_more_does_not(place):
    """The limit is a limit. Fill a quota to the byte, then write one more; nothing of it stays."""
    await place.limit(1000)
    await place.tree.put("a", b"x" * 600)
    await place.tree.put("deep/b", b"x" * 150, b"x" * 250)
    assert await place.as_on_disk() == (1000, 3)
    for path in ("c", "new/d"):
        with pytest.raises(errors.QuotaExceeded) as refused:
            await place.tree.put(path, b"", b"x")
        assert "1000 bytes" in str(refused.value)
    assert await place.tree.names() == ["a", "deep/", "deep/b"]
    assert place.under_way() == []
    await place.tree.put("empty")
    assert await place.as_on_disk() == (1000, 4)


async def test_upload_ends_where_the_limit_is_passed(place):
    """Refused while writing. Send blocks for ever; the upload ends after as many as fit."""
    await place.limit(1000)
    given = []

    async def endless():
        while True:
            given.append(1)
            yield b"x" * 100

    with pytest.raises(errors.QuotaExceeded):
        await place.volume.put(TREE, ("endless",), endless())
    assert len(given) == 11
    assert await place.as_on_disk() == (0, 0)
    assert place.under_way() == []


@pytest.mark.parametrize("size", [1_001, 1_000_000])
async def test_upload_whose_size_does_not_fit_is_refused_before_its_first_byte(place, size):
    """No effect before the refusal. Announce too much, in one block or many; nobody asks for a block of a large one, and nothing stays."""
    await place.limit(1000)
    given = []

    async def blocks():
        for _ in range(0, size, 1_001):
            given.append(1)
            yield b"x" * 1_001

    with pytest.raises(errors.QuotaExceeded):
        await place.volume.put(TREE, ("large",), blocks(), size)
    assert len(given) == (1 if size == 1_001 else 0)
    assert (await place.as_on_disk(), place.under_way()) == ((0, 0), [])


async def test_size_that_was_announced_is_taken_once(place):
    """Room is taken in advance. Announce what fits exactly and write it in blocks; a competitor for a byte of it is refused meanwhile."""
    await place.limit(100_000)

    async def blocks():
        yield b"x" * 60_000
        with pytest.raises(errors.QuotaExceeded):
            await place.tree.put("other", b"y")
        yield b"x" * 40_000

    await place.volume.put(TREE, ("large",), blocks(), 100_000)
    assert (await place.as_on_disk(), place.under_way()) == ((100_000, 1), [])


@pytest.mark.parametrize("before", [None, 1_000_000])
async def test_limit_that_is_set_meanwhile_holds_for_what_was_announced(place, before):
    """A limit holds from now on. Announce a size while there is no limit or a high one, set a lower one while it is written; it is refused."""
    if before is not None:
        await place.limit(before)

    async def blocks():
        yield b"x" * 60_000
        await place.limit(80_000)
        yield b"x" * 40_000

    with pytest.raises(errors.QuotaExceeded):
        await place.volume.put(TREE, ("large",), blocks(), 100_000)
    assert (await place.as_on_disk(), place.under_way()) == ((0, 0), [])


async def test_inodes_are_files_and_directories(place):
    """Small things count, too. Allow three; a file below two new directories takes them all."""
    await place.limit(inodes=3)
    with pytest.raises(errors.QuotaExceeded):
        await place.tree.put("a/b/c/d")
    assert await place.tree.names() == []
    await place.tree.put("a/b/c")
    for refused in (
        place.tree.put("d"),
        place.tree.mkdir("a/d"),
        place.tree.copy("a/b/c", "d"),
        place.tree.move("a/b/c", "d/c"),
    ):
        with pytest.raises(errors.QuotaExceeded):
            await refused
    await place.tree.move("a/b/c", "a/c")
    await place.tree.put("a/c", b"replaced")
    await place.tree.delete("a/b")
    await place.tree.mkdir("d")
    assert await place.as_on_disk() == (8, 3)


async def test_what_is_deleted_is_free_at_once(place):
    """Delete frees. Fill up, delete a file, a directory, the tree, filling up again each time."""
    await place.limit(1000)
    await place.tree.put("a/b", b"x" * 500)
    await place.tree.put("c", b"x" * 500)
    await place.tree.delete("c")
    await place.tree.put("d", b"x" * 500)
    await place.tree.delete("a")
    await place.tree.put("e", b"x" * 500)
    assert await place.as_on_disk() == (1000, 2)
    await place.volume.create_tree(OTHER, SCOPE)
    other = VolumeClient(place.volume, OTHER)
    with pytest.raises(errors.QuotaExceeded):
        await other.put("f", b"x")
    await place.volume.delete_tree(TREE)
    await other.put("f", b"x" * 1000)
    assert await place.as_on_disk() == (1000, 1)


async def test_replaced_file_counts_once(place):
    """Replacing is a difference. Overwrite a file with larger and smaller ones."""
    await place.limit(1000)
    for size in (100, 700, 300):
        await place.tree.put("a", b"x" * size)
        assert await place.as_on_disk() == (size, 1)


async def test_copies_and_clones_count_and_moves_do_not(place):
    """A copy is as large as its original. Copy, move and clone within and beyond the quota."""
    await place.limit(1000)
    await place.tree.put("a/b", b"x" * 300)
    await place.tree.copy("a", "c")
    assert await place.as_on_disk() == (600, 4)
    await place.tree.move("a", "d")
    assert await place.as_on_disk() == (600, 4)
    with pytest.raises(errors.QuotaExceeded):
        await place.volume.clone_tree(TREE, OTHER, SCOPE)
    assert not (place.root / "trees" / OTHER).exists()
    assert place.under_way() == []
    await place.tree.delete("c")
    await place.volume.clone_tree(TREE, OTHER, SCOPE)
    assert await place.as_on_disk() == (600, 4)
    other = VolumeClient(place.volume, OTHER)
    await other.copy("d", "e/f")
    with pytest.raises(errors.QuotaExceeded):
        await other.copy("d", "g/h")
    assert await place.as_on_disk() == (900, 7)


async def test_what_a_kernel_wrote_counts_some_seconds_later(place):
    """Files that come past us are found. Write and delete behind the service's back, let the count grow old."""
    await place.limit(1000)
    await place.tree.put("a", b"x")
    (place.files / "kernel").mkdir()
    (place.files / "kernel" / "result").write_bytes(b"y" * 999)
    os.link(place.files / "kernel" / "result", place.files / "kernel" / "again")
    (place.files / "kernel" / "link").symlink_to("/etc/passwd")
    place.clock.advance(quotas.COUNTED_SECONDS_MAX + 1)
    assert await place.used() == (1000, 4)
    with pytest.raises(errors.QuotaExceeded):
        await place.tree.put("b", b"x")
    for name in ("result", "again"):
        (place.files / "kernel" / name).unlink()
    place.clock.advance(quotas.COUNTED_SECONDS_MAX + 1)
    await place.tree.put("b", b"x" * 999)


async def test_file_with_a_second_name_frees_nothing(place):
    """A hard link keeps the bytes. Delete one of two names through the API; the count stays right."""
    await place.limit(1000)
    await place.tree.put("a", b"x" * 600)
    os.link(place.files / "a", place.files / "b")
    await place.tree.delete("a")
    assert await place.used() == (600, 1)
    with pytest.raises(errors.QuotaExceeded):
        await place.tree.put("c", b"x" * 500)


async def test_racing_writers_of_two_proxies_share_one_quota(place):
    """Nobody gets in twice. Ten times the room is asked for at once through two volumes on one directory."""
    await place.limit(1000)
    with opened(place.root, place.clock) as second:
        trees = [place.tree, VolumeClient(second, TREE)]

        async def write(number):
            try:
                await trees[number % 2].put(f"file-{number}", b"x" * 100)
            except errors.QuotaExceeded:
                return 0
            return 1

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(write(number)) for number in range(100)]
    assert sum(task.result() for task in tasks) == 10
    assert await place.as_on_disk() == (1000, 10)
    assert place.under_way() == []


async def test_what_the_dead_reserved_is_free(place):
    """A reservation lives as long as its writer. Leave the file of one that is dead; write as much as it had reserved."""
    await place.limit(1000)

    async def writing():
        yield b"x" * 600
        (living,) = place.root.glob(f"scopes/{SCOPE}/pending/*")
        (living.parent / secrets.token_hex(12)).write_bytes(living.read_bytes())
        yield b"x" * 400

    await place.volume.put(TREE, ("file",), writing())
    assert await place.as_on_disk() == (1000, 1)
    assert place.under_way() == []


async def test_two_writers_under_way_see_each_other(place):
    """What is on its way counts. While one file of 600 is written, another of 600 does not fit, and fits when the first gave up."""
    await place.limit(1000)

    async def writing():
        yield b"x" * 600
        with pytest.raises(errors.QuotaExceeded):
            await place.tree.put("second", b"x" * 600)
        raise errors.UploadIncomplete

    with pytest.raises(errors.UploadIncomplete):
        await place.volume.put(TREE, ("first",), writing())
    await place.tree.put("second", b"x" * 600)
    assert await place.as_on_disk() == (600, 1)


async def test_limits_come_and_go(place):
    """Limits hold from now on. Write without any, set them below what is used, raise them, lift them."""
    await place.tree.put("a", b"x" * 2000)
    assert await place.as_on_disk() == (2000, 1)
    await place.limit(1000)
    with pytest.raises(errors.QuotaExceeded):
        await place.tree.put("b", b"x")
    await place.tree.mkdir("c")
    await place.limit(2001)
    await place.tree.put("b", b"x")
    await place.limit()
    await place.tree.put("d", b"x" * 5000)
    assert await place.as_on_disk() == (7001, 4)


async def test_limit_set_during_an_upload_counts_it(place):
    """No upload slips through. Set a limit while a file is written; afterwards the count is right."""

    async def writing():
        yield b"x" * 600
        await place.limit(1000)
        assert await place.used() == (0, 0)

    await place.volume.put(TREE, ("file",), writing())
    assert await place.used() == (600, 1)


async def begun(place, size, path="a/b"):
    upload = Upload(id=secrets.token_hex(16), path=at(path), size=size, expires_at=1e12)
    await place.volume.uploads.begin(TREE, upload)
    return upload.id


async def test_upload_in_pieces_counts_where_it_lies(place):
    """Pieces are on the disk, so they count. Write some, compete with another file, finish."""
    await place.limit(1000)
    upload = await begun(place, 1000)
    async with place.volume.uploads.writer(TREE, upload) as writer:
        await writer.write(b"x" * 600)
        await writer.keep()
    assert await place.as_on_disk() == (600, 1)
    with pytest.raises(errors.QuotaExceeded):
        await place.tree.put("other", b"x" * 401)
    await place.tree.put("other", b"x" * 100)
    async with place.volume.uploads.writer(TREE, upload) as writer:
        with pytest.raises(errors.QuotaExceeded):
            await writer.write(b"x" * 301)
        await writer.drop()
        await place.tree.delete("other")
        await writer.write(b"x" * 400)
        await writer.keep()
        await writer.finish()
    assert await place.as_on_disk() == (1000, 2)


async def test_upload_in_pieces_is_refused_early_and_freed_when_given_up(place):
    """A size that cannot fit is refused before its first byte. Begin one too large; give one up that is written."""
    await place.limit(1000)
    with pytest.raises(errors.QuotaExceeded):
        await begun(place, 1001)
    assert await place.as_on_disk() == (0, 0)
    upload = await begun(place, 700)
    async with place.volume.uploads.writer(TREE, upload) as writer:
        await writer.write(b"x" * 700)
        await writer.discard()
    assert await place.as_on_disk() == (0, 0)


async def test_directories_of_an_upload_in_pieces_count(place):
    """A deep path is no way around. Allow three inodes; begin below three new directories, then lose two that a finished begin relied on."""
    await place.limit(inodes=3)
    with pytest.raises(errors.QuotaExceeded):
        await begun(place, 1, "a/b/c/d")
    await place.tree.mkdir("a/b")
    upload = await begun(place, 1, "a/b/c")
    await place.tree.delete("a")
    await place.tree.put("other")
    async with place.volume.uploads.writer(TREE, upload) as writer:
        await writer.write(b"x")
        with pytest.raises(errors.QuotaExceeded):
            await writer.finish()
        assert await place.as_on_disk() == (1, 2)
        await place.tree.delete("other")
        await writer.finish()
    assert await place.as_on_disk() == (1, 3)


async def part(place, pieces, size):
    upload = Upload(id=secrets.token_hex(16), path=(), size=size, expires_at=1e12)
    await pieces.begin(place.volume.uploads, TREE, upload)
    await pieces.append(place.volume.uploads, TREE, upload.id, Piece(0, stream(b"x" * size)))
    return upload.id


async def test_parts_fit_where_their_file_fits(place):
    """Parts count already when they are joined. Join two that fill more than half of the quota, bytes and inodes; the file is whole."""
    await place.limit(100, 2)
    pieces = Pieces(place.clock, Limits())
    parts = [await part(place, pieces, 30) for _ in range(2)]
    whole = Upload(id=secrets.token_hex(16), path=("new", "file"), size=0, expires_at=1e12)
    await pieces.join(place.volume.uploads, TREE, whole, parts)
    assert (place.files / "new" / "file").read_bytes() == b"x" * 60
    assert await place.as_on_disk() == (60, 2)
    with pytest.raises(errors.QuotaExceeded):
        await place.tree.put("new/file", b"x" * 41)


async def test_nothing_is_kept_of_trees_without_a_limit(place):
    """Who sets no limits pays nothing. Write without any; the scope has no reservation and no count."""
    seen = []

    async def writing():
        yield b"x"
        seen.extend(place.under_way())

    await place.volume.put(TREE, ("a",), writing())
    await place.volume.create_tree(OTHER)
    await place.volume.put(OTHER, at("b"), stream(b"x"))
    assert not (place.root / "trees" / OTHER / "scope").exists()
    assert [path for path in seen if path.parent.name == "pending"] == []
