"""Faults of memory, descriptors and disks, as the component that they befall tells them."""

import json
import resource

import pytest

from shakeout.faults import lifecycle
from shakeout.faults.disk import DiskFull, DiskReadOnly
from shakeout.faults.memory import OutOfMemory
from shakeout.faults.service import Exhaust
from shakeout.process import procfs
from shakeout.system import boot, loopback
from shakeout.system.errors import DisksRefused


async def error_of(cluster, wish, name="lighthouse"):
    """The name of the error that a component gets when it does something."""
    answer = await loopback.request(cluster.place(name).port("http"), "GET", wish)
    return json.loads(answer.body)["error"]


@pytest.mark.usefixtures("disks")
async def test_full_disk_refuses_each_further_byte(afloat):
    async with lifecycle.injected(DiskFull("lighthouse"), afloat):
        assert await error_of(afloat, "/write") == "ENOSPC"
    assert await error_of(afloat, "/write") == ""


@pytest.mark.usefixtures("disks")
async def test_full_disk_is_full_for_its_member_only(afloat):
    async with lifecycle.injected(DiskFull("redis"), afloat):
        assert await error_of(afloat, "/write") == ""


@pytest.mark.usefixtures("disks")
async def test_read_only_disk_refuses_writes(afloat):
    async with lifecycle.injected(DiskReadOnly("lighthouse"), afloat):
        assert await error_of(afloat, "/write") == "EROFS"
    assert await error_of(afloat, "/write") == ""


@pytest.mark.usefixtures("disks")
async def test_disk_outlives_its_member(afloat):
    page = afloat.place("lighthouse").directory / "log-book" / "page"
    assert await error_of(afloat, "/write") == ""
    before = page.stat().st_size
    await afloat.kill("lighthouse")
    await afloat.start("lighthouse")
    assert page.stat().st_size == before > 0


@pytest.mark.usefixtures("disks")
async def test_nobody_outside_sees_the_disk_in_its_place(afloat):
    assert await error_of(afloat, "/write") == ""
    hidden = afloat.directory / "lighthouse" / "log-book"
    assert list(hidden.iterdir()) == []


async def test_member_without_memory_gets_no_more(booted, harbour):
    async with booted(harbour.galley) as cluster:
        pid = cluster.process("cook").pid
        async with lifecycle.injected(OutOfMemory("cook"), cluster):
            assert await error_of(cluster, "/eat", "cook") == "MemoryError"
        assert await error_of(cluster, "/eat", "cook") == ""
        assert cluster.process("cook").pid == pid


async def test_member_that_ends_without_memory_is_started_again(booted, harbour):
    async with booted(harbour.galley) as cluster:
        process = cluster.process("cook")
        async with lifecycle.injected(OutOfMemory("cook"), cluster):
            with pytest.raises(ConnectionResetError):
                await error_of(cluster, "/crash", "cook")
            await process.wait()
        assert await error_of(cluster, "/eat", "cook") == ""
        assert not cluster.process("cook").exit_expected


async def test_member_without_descriptors_gets_its_limit_back(afloat):
    pid = afloat.process("lighthouse").pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    async with lifecycle.injected(Exhaust("lighthouse"), afloat):
        assert resource.prlimit(pid, resource.RLIMIT_NOFILE)[0] < before[0]
    assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == before


@pytest.mark.usefixtures("disks")
async def test_disks_go_with_their_cluster(booted, harbour):
    async with booted(harbour.small, with_disks=True) as cluster:
        keeper = cluster.disks.namespaces
        assert procfs.stat(keeper)
    assert procfs.stat(keeper) is None
    assert not cluster.directory.exists()


@pytest.mark.usefixtures("disks")
async def test_disks_that_cannot_be_mounted_end_the_boot(harness_run, harbour, monkeypatch):
    monkeypatch.setattr("shakeout.system.disks.DISK_BYTES", "much")
    with pytest.raises(DisksRefused, match=r"(?s)no disks for the cluster.*Invalid argument"):
        await boot.boot(harbour.small, harness_run, name="undisked", with_disks=True)
    assert not (harness_run.run_directory / "undisked").exists()
