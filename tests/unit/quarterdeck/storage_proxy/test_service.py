"""Use cases of the storage-proxy on volumes in memory, and the checksum of what passes."""

import hashlib

import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.model import Limits
from quarterdeck.storage_proxy.service import Announced, Host, StorageService, Tree
from quarterdeck.storage_proxy.transfers import uploads
from quarterdeck.storage_proxy.transfers.checksums import Checksum
from quarterdeck.storage_proxy.transfers.slots import Slots
from quarterdeck.storage_proxy.volumes.lazy import LazyVolume
from quarterdeck.testing.fakes.storage import FakeVolume

TREE = Tree("memory", "0195c0de-0000-7000-8000-000000000001")


async def stream(*blocks):
    for block in blocks:
        yield block


def sha256(content):
    return Checksum("sha256", hashlib.sha256(content).digest(), "X-Content-SHA256")


@pytest.fixture
def storage(shakeout_runner):
    volume = FakeVolume(SystemClock(), Limits(), room_bytes=1_000_000)
    service = StorageService({"memory": Host("memory", "fake", volume)}, Limits())
    shakeout_runner.run(service.create_tree(TREE))
    return service


@pytest.mark.parametrize("blocks", [(), (b"abc",), (b"a" * 200_000, b"b", b"c" * 65_537)])
async def test_checked_content_passes_unchanged(blocks):
    content = uploads.Checked(stream(*blocks), None, 1 << 20)
    assert [block async for block in content.blocks()] == list(blocks)
    assert content.checksum == hashlib.sha256(b"".join(blocks)).hexdigest()


async def test_checked_content_ends_in_an_error_if_it_is_not_what_was_announced():
    content = uploads.Checked(stream(b"abc"), sha256(b"abd"), 3)
    blocks = content.blocks()
    assert await anext(blocks) == b"abc"
    with pytest.raises(errors.ChecksumMismatch):
        await anext(blocks)


async def test_upload_tells_the_checksum(storage):
    written = await storage.upload(TREE, ("file",), stream(b"a", b"bc"), Announced())
    assert written.sha256 == hashlib.sha256(b"abc").hexdigest()
    assert written.entry.size == 3


async def test_upload_with_another_checksum_is_not_kept(storage):
    with pytest.raises(errors.ChecksumMismatch):
        await storage.upload(TREE, ("file",), stream(b"abc"), Announced(sha256(b"abd")))
    assert await storage.entries(TREE, (), recursive=True) == []


async def test_upload_that_does_not_fit_is_not_kept(storage):
    with pytest.raises(errors.StorageFull):
        await storage.upload(TREE, ("file",), stream(b"x" * 600_000, b"x" * 600_000), Announced())
    assert await storage.entries(TREE, (), recursive=True) == []


async def test_host_that_is_not_there_and_host_that_cannot_be_mounted(storage):
    with pytest.raises(errors.HostNotFound):
        await storage.create_tree(Tree("elsewhere", TREE.id))
    with pytest.raises(errors.HostNotMountable):
        await storage.mount_path(TREE)
    assert [(host.name, host.kind, host.mountable) for host in storage.hosts()] == [
        ("memory", "fake", False)
    ]


class Opening:
    """A volume whose opening and closing are counted."""

    def __init__(self):
        self.opened = self.closed = 0

    async def opener(self):
        return self

    async def __aenter__(self):
        self.opened += 1
        return FakeVolume(SystemClock(), Limits())

    async def __aexit__(self, *_):
        self.closed += 1


async def test_lazy_volume_is_opened_once_by_its_first_use():
    opening = Opening()
    volume = LazyVolume(opening.opener)
    assert opening.opened == 0
    await volume.create_tree(TREE.id)
    await volume.put(TREE.id, ("file",), stream(b"abc"))
    async with volume.open(TREE.id, ("file",)) as source:
        assert source.entry.size == 3
    await volume.delete(TREE.id, ("file",))
    assert await volume.entries(TREE.id, (), recursive=True) == []
    await volume.delete_tree(TREE.id)
    await volume.aclose()
    assert (opening.opened, opening.closed) == (1, 1)


async def test_lazy_volume_that_nobody_used_is_never_opened():
    opening = Opening()
    await LazyVolume(opening.opener).aclose()
    assert (opening.opened, opening.closed) == (0, 0)


async def test_volume_that_takes_whole_files_only_says_so(storage):
    with pytest.raises(errors.UploadsUnsupported):
        storage.uploads(TREE)
    await storage.sweep()


def test_transfers_are_counted_by_whose_they_are():
    slots = Slots(2)
    with slots.taken("ada"), slots.taken("ada"), slots.taken("bob"):
        with pytest.raises(errors.TooManyTransfers, match="at most 2"):
            with slots.taken("ada"):
                pass
    with slots.taken("ada"), slots.taken("ada"):
        pass


async def test_long_work_of_a_user_takes_turns():
    """Two at once, the others wait; who waits too long is refused; another user does not wait."""
    slots = Slots(10, turn_seconds_max=0.01)
    async with slots.turn("ada"), slots.turn("bob"), slots.turn("ada"):
        with pytest.raises(errors.TooManyTransfers, match="too long"):
            async with slots.turn("ada"):
                pass
        async with slots.turn("bob"):
            pass
    async with slots.turn("ada"), slots.turn("ada"):
        pass
