"""Uploads in pieces on a local volume, by its port: cancelled at any moment, crashed at the worst ones, swept."""

import asyncio
import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.model import Limits, Upload
from quarterdeck.storage_proxy.volumes import local, partials
from shakeout.waiting.until import until

TREE = "0195c0de-0000-7000-8000-000000000001"
ID = "0195c0de-0000-7000-8000-00000000000a"
CANCELLATIONS = 60
COMINGS = 400


@pytest.fixture
def volume(tmp_path, shakeout_runner):
    """A volume with a tree."""
    volume = local.LocalVolume(tmp_path / "volume", SystemClock(), Limits())
    with contextlib.closing(volume):
        shakeout_runner.run(volume.create_tree(TREE))
        yield volume


@pytest.fixture
def place(tmp_path):
    """The directory of the tree's uploads."""
    return tmp_path / "volume" / "trees" / TREE / "uploads"


def upload(size=10, seconds=3600.0):
    """An upload that begins now."""
    now = SystemClock().now().timestamp()
    return Upload(id=ID, path=("file",), size=size, expires_at=now + seconds)


def descriptors():
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_writer_that_is_cancelled_at_any_moment_leaves_no_lock(volume, rng):
    await volume.uploads.begin(TREE, upload())

    async def write():
        async with volume.uploads.writer(TREE, ID) as writer:
            await writer.write(b"x")
            await writer.drop()

    await write()
    before = descriptors()
    for _ in range(CANCELLATIONS):
        writing = asyncio.get_running_loop().create_task(write())
        for _ in range(rng.randrange(6)):
            await asyncio.to_thread(int)
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError, errors.UploadBusy):
            await writing

    async def is_free():
        with contextlib.suppress(errors.UploadBusy):
            await write()
            return True
        return False

    await until(is_free, within=5)
    assert descriptors() <= before + 1


async def test_second_writer_is_refused_until_the_first_has_left(volume):
    await volume.uploads.begin(TREE, upload())
    async with volume.uploads.writer(TREE, ID):
        with pytest.raises(errors.UploadBusy):
            async with volume.uploads.writer(TREE, ID):
                pass
    async with volume.uploads.writer(TREE, ID) as writer:
        assert not writer.finished


async def test_what_is_not_kept_does_not_outlive_its_writer(volume, place):
    await volume.uploads.begin(TREE, upload())
    async with volume.uploads.writer(TREE, ID) as writer:
        await writer.write(b"abc")
        await writer.keep()
        await writer.write(b"def")
    assert (place / f"{ID}.data").read_bytes() == b"abcdef"
    async with volume.uploads.writer(TREE, ID) as writer:
        assert writer.offset == 3
    assert (place / f"{ID}.data").read_bytes() == b"abc"


async def test_closed_writer_writes_nothing(volume, place):
    await volume.uploads.begin(TREE, upload())
    async with volume.uploads.writer(TREE, ID) as writer:
        pass
    for late in (writer.write(b"late"), writer.keep(), writer.drop(), writer.finish()):
        with pytest.raises(errors.UploadNotFound):
            await late
    assert (place / f"{ID}.data").read_bytes() == b""


async def test_data_that_lost_its_end_counts_as_far_as_it_goes(volume, place):
    await volume.uploads.begin(TREE, upload())
    async with volume.uploads.writer(TREE, ID) as writer:
        await writer.write(b"abcdef")
        await writer.keep()
    os.truncate(place / f"{ID}.data", 2)
    async with volume.uploads.writer(TREE, ID) as writer:
        assert writer.offset == 2


@pytest.mark.parametrize("left", ["data", "record"])
async def test_what_a_crash_leaves_goes_with_the_sweep(volume, place, left):
    await volume.uploads.begin(TREE, upload())
    names = {"data": f"{ID}.data", "record": f"{ID}.upload"}
    (other,) = (name for kind, name in names.items() if kind != left)
    (place / other).unlink()
    old = SystemClock().now().timestamp() - 7200
    os.utime(place / names[left], (old, old))
    await volume.uploads.sweep()
    assert list(place.iterdir()) == []


async def test_sweep_takes_what_has_expired_and_nothing_that_is_written(volume, place):
    await volume.uploads.begin(TREE, upload(seconds=-1))
    async with volume.uploads.writer(TREE, ID):
        await volume.uploads.sweep()
        assert len(list(place.iterdir())) == 2
    await volume.uploads.sweep()
    assert list(place.iterdir()) == []
    assert await volume.uploads.under_way(TREE) == []


def test_upload_that_goes_while_it_is_looked_at_is_not_finished(tmp_path):
    """What is abandoned never counts as done. Begin and abandon in a thread, look all the time; nobody sees it finished."""
    directory = os.open(tmp_path, os.O_RDONLY)

    def come_and_go():
        for _ in range(COMINGS):
            partials.begin(directory, upload(), uploads_max=1)
            with contextlib.closing(partials.Partial(directory, ID)) as partial:
                partial.discard()

    seen = set()
    with ThreadPoolExecutor(1) as pool:
        going = pool.submit(come_and_go)
        while not going.done():
            with contextlib.suppress(errors.UploadNotFound):
                seen.add(partials.look(directory, ID)[1])
        going.result()
    os.close(directory)
    assert seen == {0}


async def test_tree_that_goes_takes_its_uploads_along(volume, place):
    await volume.uploads.begin(TREE, upload())
    async with volume.uploads.writer(TREE, ID) as writer:
        await writer.write(b"x" * 10)
        await volume.delete_tree(TREE)
        with pytest.raises((errors.TreeNotFound, errors.UploadNotFound, errors.FileNotFound)):
            await writer.finish()
    assert not place.exists()
    with pytest.raises(errors.TreeNotFound):
        await volume.uploads.find(TREE, ID)
