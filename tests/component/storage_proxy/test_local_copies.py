"""Copies and clones on a local volume: one moment, whole or not at all, and nothing shared with the original."""

import asyncio
import contextlib
import ctypes
import errno
import os

import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.model import Limits
from quarterdeck.storage_proxy.volumes import copies, local, places, renaming
from quarterdeck.testing.volume_client import VolumeClient

TREE = "0195c0de-0000-7000-8000-000000000001"
CLONES = [f"0195c0de-0000-7000-8000-0000000000{number}" for number in range(10, 40)]
FILES = 40
UPLOADERS, SWEPT, SMALL = 3, 6, 5


@pytest.fixture
def root(tmp_path):
    return tmp_path / "volume"


@pytest.fixture
def tree(root, shakeout_runner):
    with contextlib.closing(local.LocalVolume(root, SystemClock(), Limits())) as volume:
        shakeout_runner.run(volume.create_tree(TREE))
        yield VolumeClient(volume, TREE)


def files(root, tree):
    top = root / "trees" / tree / "files"
    return {
        path.relative_to(top).as_posix(): path.read_bytes()
        for path in top.rglob("*")
        if path.is_file()
    }


@contextlib.contextmanager
def opened(path):
    directory = os.open(path, os.O_RDONLY)
    try:
        yield directory
    finally:
        os.close(directory)


async def test_clone_shows_one_moment(tree, root):
    """Behaviour 41: consistent while others write. One writer moves a token from name to name without end; every clone has exactly one."""
    for number in range(FILES):
        await tree.put(f"{number:02}/filler", b"x")
    await tree.put("00/token", b"token")
    stop = asyncio.Event()

    async def wander():
        at = 0
        while not stop.is_set():
            await tree.move(f"{at:02}/token", f"{(at + 7) % FILES:02}/token")
            at = (at + 7) % FILES

    async with asyncio.TaskGroup() as group:
        group.create_task(wander())
        for clone in CLONES:
            await tree.volume.clone_tree(TREE, clone, None)
        stop.set()
    for clone in CLONES:
        tokens = [name for name in files(root, clone) if name.endswith("token")]
        assert len(tokens) == 1, tokens
        assert len(files(root, clone)) == FILES + 1


async def test_uploads_take_nothing_from_copies_and_clones(tree, root):
    """Behaviour 41: whole, whoever sweeps the tree, as each upload does. Upload without end while clones and copies are made; each is whole, nothing is left of them."""
    for number in range(SMALL):
        await tree.put(f"a/{number:02}", b"x")
    stop = asyncio.Event()

    async def upload(name):
        while not stop.is_set():
            await tree.put(name, b"x")

    async with asyncio.TaskGroup() as group:
        for number in range(UPLOADERS):
            group.create_task(upload(f"uploaded-{number}"))
        for clone in CLONES[:SWEPT]:
            await tree.volume.clone_tree(TREE, clone, None)
            await tree.copy("a", clone)
        stop.set()
    for clone in CLONES[:SWEPT]:
        assert len([name for name in files(root, clone) if name.startswith("a/")]) == SMALL
        assert len(list((root / "trees" / TREE / "files" / clone).iterdir())) == SMALL
    assert list((root / "trees" / TREE / places.STAGING).iterdir()) == []


async def test_copy_shares_nothing_with_its_original(tree, root):
    """A copy is not a second name. Copy and clone, write into the original in place as a kernel would; the copies stay."""
    await tree.put("a/file", b"before")
    await tree.copy("a", "b")
    await tree.volume.clone_tree(TREE, CLONES[0], None)
    original = root / "trees" / TREE / "files" / "a" / "file"
    assert original.stat().st_nlink == 1
    with original.open("r+b") as file:
        file.write(b"AFTER!")
    assert files(root, TREE) == {"a/file": b"AFTER!", "b/file": b"before"}
    assert files(root, CLONES[0]) == {"a/file": b"before", "b/file": b"before"}


async def test_copy_keeps_mode_and_time(tree, root):
    """A program stays one. Copy an executable file of long ago; compare mode and time."""
    await tree.put("tool", b"#!")
    top = root / "trees" / TREE / "files"
    (top / "tool").chmod(0o755)
    os.utime(top / "tool", (1000, 1000))
    await tree.copy("tool", "copy")
    found = (top / "copy").stat()
    assert (found.st_mode & 0o777, found.st_mtime) == (0o755, 1000)


async def test_file_that_keeps_changing_is_refused(tree, root, monkeypatch):
    """Half of a change is no copy. A kernel writes whenever a stretch has been copied; the copy is refused and leaves nothing."""
    await tree.put("a/file", b"x" * 1000)
    file = root / "trees" / TREE / "files" / "a" / "file"
    copied, times = copies._some, iter(range(1, 100))

    def written_meanwhile(source, target):
        count = copied(source, target)
        os.utime(file, (next(times), 1))
        os.utime(file, ns=(1, next(times)))
        return count

    monkeypatch.setattr(copies, "_some", written_meanwhile)
    with pytest.raises(errors.FileBusy):
        await tree.copy("a", "b")
    with pytest.raises(errors.FileBusy):
        await tree.volume.clone_tree(TREE, CLONES[0], None)
    assert await tree.names() == ["a/", "a/file"]
    assert not (root / "trees" / CLONES[0]).exists()
    assert list((root / "trees" / TREE / places.STAGING).iterdir()) == []


async def test_leftovers_of_a_copy_whose_process_died_go(tree, root):
    """Nothing of the dead stays. Leave a half copy that nobody holds; the next upload removes it."""
    half = root / "trees" / TREE / places.STAGING / "half"
    (half / "files").mkdir(parents=True)
    (half / "files" / "file").write_bytes(b"x")
    await tree.put("file", b"x")
    assert not half.exists()


async def test_racing_moves_to_one_name_have_one_winner(tree, root):
    """Nothing is replaced, not even in a race. Many files are moved to one name at once; one gets it, the others stay."""
    for number in range(20):
        await tree.put(f"{number}", str(number).encode())

    async def move(number):
        with contextlib.suppress(errors.PathTaken):
            await tree.move(str(number), "target")
            return 1
        return 0

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(move(number)) for number in range(20)]
    assert sum(task.result() for task in tasks) == 1
    assert len(files(root, TREE)) == 20


@pytest.mark.parametrize("gone", ["original", "copy"])
def test_what_goes_while_it_is_copied_is_left_out_but_never_the_copy(tmp_path, gone):
    """Part of a copy is not reported whole. Remove the original, then the directory that the copy goes to, and take a snapshot."""
    for name in ("original", "copy"):
        (tmp_path / name).mkdir()
    (tmp_path / "original" / "file").write_text("x")
    with contextlib.ExitStack() as stack:
        original, copy = (
            stack.enter_context(opened(tmp_path / name)) for name in ("original", "copy")
        )
        snapshot = copies.Snapshot(Limits(), 0)
        if gone == "original":
            (tmp_path / "original" / "file").unlink()
            snapshot.take(original, "file", copy)
            assert list((tmp_path / "copy").iterdir()) == []
        else:
            (tmp_path / "copy").rmdir()
            with pytest.raises(errors.StorageUnavailable):
                snapshot.take(original, "file", copy)


class WithoutFlags:
    """Stands for a file system that knows no flags of renames."""

    @staticmethod
    def renameat2(*_):
        ctypes.set_errno(errno.EINVAL)
        return -1


@pytest.mark.parametrize("flags", [True, False])
def test_rename_replaces_nothing_and_goes_nowhere_into_itself(tmp_path, monkeypatch, flags):
    """What is there stays, whatever the file system can. Give a file a new name, one that is taken; put a directory into itself."""
    if not flags:
        monkeypatch.setattr(renaming, "_libc", WithoutFlags())
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    (tmp_path / "inner").mkdir()
    top = os.open(tmp_path, os.O_RDONLY)
    inner = os.open(tmp_path / "inner", os.O_RDONLY)
    try:
        with pytest.raises(errors.PathTaken):
            renaming.place(top, "a", top, "b")
        with pytest.raises(errors.PathRefused):
            renaming.place(top, "inner", inner, "inner")
        renaming.place(top, "a", inner, "c")
    finally:
        os.close(top)
        os.close(inner)
    assert {path.name for path in tmp_path.iterdir()} == {"b", "inner"}
    assert (tmp_path / "inner" / "c").read_text() == "a"
