"""What only directories of this machine can have: links, devices, kernels that write beside, a full disk, a crash."""

import contextlib
import os
import resource
import socket
import stat
import tracemalloc

import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.storage_proxy import errors, globs
from quarterdeck.storage_proxy.model import Limits
from quarterdeck.storage_proxy.volumes import local, staging

TREE = "0195c0de-0000-7000-8000-000000000001"
OTHER = "0195c0de-0000-7000-8000-000000000002"
MANY, NAME_BYTES = 3000, 240


@pytest.fixture
def root(tmp_path):
    return tmp_path / "volume"


@pytest.fixture
def volume(root, shakeout_runner):
    volume = local.LocalVolume(root, SystemClock(), Limits())
    with contextlib.closing(volume):
        shakeout_runner.run(volume.create_tree(TREE))
        yield volume


@pytest.fixture
def files(root):
    """The tree as a kernel sees it, who may write into it what it likes."""
    return root / "trees" / TREE / "files"


@pytest.fixture
def outside(tmp_path):
    """A secret and a directory that nothing may read or write."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    yield tmp_path / "outside"
    assert [(path.name, path.read_text()) for path in (tmp_path / "outside").iterdir()] == [
        ("secret", "secret")
    ]


async def stream(*blocks):
    for block in blocks:
        yield block


async def refuses_all(volume, path):
    with pytest.raises(errors.PathRefused):
        await volume.put(TREE, path, stream(b"overwritten"))
    with pytest.raises(errors.PathRefused):
        await volume.delete(TREE, path)
    with pytest.raises(errors.PathRefused):
        await volume.entries(TREE, path, recursive=True)
    with pytest.raises(errors.PathRefused):
        async with volume.open(TREE, path):
            pass


async def test_link_to_a_file_outside_is_refused(volume, files, outside):
    (files / "link").symlink_to(outside / "secret")
    await refuses_all(volume, ("link",))
    assert [str(entry.kind) for entry in await volume.entries(TREE, (), recursive=True)] == [
        "other"
    ]


async def test_link_to_a_directory_is_refused_in_any_part_of_a_path(volume, files, outside):
    (files / "a").mkdir()
    (files / "a" / "link").symlink_to(outside, target_is_directory=True)
    await refuses_all(volume, ("a", "link"))
    await refuses_all(volume, ("a", "link", "secret"))
    await refuses_all(volume, ("a", "link", "new", "file"))


async def test_link_within_the_tree_is_refused_too(volume, files):
    (files / "file").write_text("x")
    (files / "link").symlink_to("file")
    await refuses_all(volume, ("link",))


async def test_pipe_and_socket_are_refused_without_waiting(volume, files, monkeypatch):
    os.mkfifo(files / "pipe")
    monkeypatch.chdir(files)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        await refuses_all(volume, ("pipe",))
        await refuses_all(volume, ("socket",))


async def test_device_is_refused_without_opening_it(volume, files):
    try:
        os.mknod(files / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        (files / "null").symlink_to("/dev/null")
    await refuses_all(volume, ("null",))


async def test_deleting_a_directory_follows_no_link(volume, files, outside):
    (files / "a" / "b").mkdir(parents=True)
    (files / "a" / "b" / "link").symlink_to(outside, target_is_directory=True)
    (files / "a" / "file").symlink_to(outside / "secret")
    await volume.delete(TREE, ("a",))
    assert list(files.iterdir()) == []


async def test_deleting_a_tree_follows_no_link(volume, root, files, outside):
    (files / "link").symlink_to(outside, target_is_directory=True)
    await volume.delete_tree(TREE)
    assert list((root / "trees").iterdir()) == []
    assert list((root / "removed").iterdir()) == []


async def test_listing_shows_a_name_that_is_no_text(volume, files):
    (files / "b\udcff").write_text("x")
    assert [entry.path for entry in await volume.entries(TREE, (), recursive=False)] == ["b�"]


async def test_tree_deeper_than_a_path_may_be_is_refused(volume, files):
    (files / "/".join("d" * 40)).mkdir(parents=True)
    with pytest.raises(errors.PathTooLong):
        await volume.entries(TREE, (), recursive=True)
    await volume.delete(TREE, ("d",))
    assert await volume.entries(TREE, (), recursive=True) == []


async def test_file_on_its_way_in_is_nowhere_in_the_tree(volume, root, files):
    async def looking():
        yield b"x" * 100_000
        assert list(files.iterdir()) == []
        assert list((root / "trees" / TREE / "staging").iterdir()) == []
        yield b"y"

    await volume.put(TREE, ("file",), looking())
    assert [path.name for path in files.iterdir()] == ["file"]
    assert list((root / "trees" / TREE / "staging").iterdir()) == []


async def test_full_disk_leaves_the_old_file(volume, files, root):
    (files / "file").write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))
    try:
        with pytest.raises(errors.StorageFull):
            await volume.put(TREE, ("file",), stream(b"x" * 60_000, b"x" * 60_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (files / "file").read_text() == "old"
    assert list((root / "trees" / TREE / "staging").iterdir()) == []


async def test_tree_deleted_during_an_upload_takes_nothing_in(volume, root):
    async def deleting():
        yield b"x"
        await volume.delete_tree(TREE)
        yield b"y"

    with pytest.raises(errors.TreeNotFound):
        await volume.put(TREE, ("file",), deleting())
    assert list((root / "trees").iterdir()) == []


async def test_mount_path_is_the_directory_of_the_files(volume, files):
    assert await volume.mount_path(TREE) == str(files)
    with pytest.raises(errors.TreeNotFound):
        await volume.mount_path(OTHER)


async def test_removal_that_was_cut_short_is_finished_at_the_next_start(root):
    (root / "removed" / "half" / "files").mkdir(parents=True)
    (root / "removed" / "half" / "files" / "x").write_text("x")
    local.LocalVolume(root, SystemClock(), Limits()).close()
    assert list((root / "removed").iterdir()) == []


@pytest.mark.parametrize("unnamed", [True, False])
def test_staged_file_appears_at_once_or_leaves_nothing(tmp_path, unnamed):
    (tmp_path / "stage").mkdir()
    directory = os.open(tmp_path / "stage", os.O_RDONLY)

    def begun():
        return contextlib.closing(staging.Staged(directory, unnamed=unnamed))

    try:
        with begun() as staged:
            staged.write(b"lost")
        assert list((tmp_path / "stage").iterdir()) == []
        with begun() as staged:
            staged.write(b"kept")
            staged.publish(directory, "file")
        assert [(path.name, path.read_bytes()) for path in (tmp_path / "stage").iterdir()] == [
            ("file", b"kept")
        ]
    finally:
        os.close(directory)


def test_sweep_removes_only_what_is_a_day_old(tmp_path):
    (tmp_path / "old").write_text("x")
    (tmp_path / "old-directory").mkdir()
    (tmp_path / "young").write_text("x")
    for name in ("old", "old-directory"):
        os.utime(tmp_path / name, (1000, 1000))
    os.utime(tmp_path / "young", (80_000, 80_000))
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        staging.sweep(directory, 90_000.0)
    finally:
        os.close(directory)
    assert [path.name for path in tmp_path.iterdir()] == ["young"]


@pytest.fixture
def crowded(root, shakeout_runner):
    """A volume with small limits, in whose tree a kernel has made a directory of very many names."""
    small = Limits(directory_entries_max=10, search_entries_max=10, copy_entries_max=10)
    with contextlib.closing(local.LocalVolume(root, SystemClock(), small)) as volume:
        shakeout_runner.run(volume.create_tree(TREE))
        directory = root / "trees" / TREE / "files" / "many"
        directory.mkdir()
        for number in range(MANY):
            (directory / f"{number:0{NAME_BYTES}}").touch()
        yield volume


@pytest.mark.parametrize(
    "attempt",
    [
        lambda volume: volume.put(TREE, ("many", "new"), stream(b"x")),
        lambda volume: volume.search(TREE, (), globs.parse("**"), 10),
        lambda volume: volume.copy(TREE, ("many",), ("copy",)),
    ],
    ids=["put", "search", "copy"],
)
async def test_limit_is_met_before_a_directory_is_read_whole(crowded, attempt):
    """Nobody's directory fills our memory. Put into, search and copy one of many names; each is refused with few of them in memory."""
    tracemalloc.start()
    with pytest.raises(errors.TooManyEntries):
        await attempt(crowded)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MANY * NAME_BYTES // 3


async def test_depth_is_judged_before_a_directory_is_read_whole(crowded):
    """Nobody's directory fills our memory. Move one of many names to where none of them may be; it is refused with few of them in memory."""
    deep = tuple("d" * (Limits().depth_max - 1))
    await crowded.mkdir(TREE, deep)
    tracemalloc.start()
    with pytest.raises(errors.PathTooLong):
        await crowded.move(TREE, ("many",), (*deep, "many"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MANY * NAME_BYTES // 3
