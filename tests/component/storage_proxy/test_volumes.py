"""One suite for the volume port: the fake, local directories and S3 behave alike."""

import asyncio
from contextlib import aclosing

import pytest

from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.model import Span
from quarterdeck.wire.errors import Invalid

TREE = "0195c0de-0000-7000-8000-000000000001"
OTHER = "0195c0de-0000-7000-8000-000000000002"


class GivenUp(QuarterdeckError):
    """The client went away."""


async def stream(*blocks, error=None):
    for block in blocks:
        yield block
    if error is not None:
        raise error


async def put(volume, path, *blocks):
    return await volume.put(TREE, tuple(path.split("/")), stream(*blocks))


async def read(volume, path, stretch=None):
    async with volume.open(TREE, tuple(path.split("/"))) as source:
        stretch = stretch or Span(0, source.entry.size)
        async with aclosing(source.blocks(stretch)) as blocks:
            return b"".join([block async for block in blocks])


async def names(volume, path=(), *, recursive=True):
    entries = await volume.entries(TREE, path, recursive=recursive)
    return [(entry.path, str(entry.kind), entry.size) for entry in entries]


@pytest.fixture
def volume(make_volume, shakeout_runner):
    volume = make_volume()
    shakeout_runner.run(volume.create_tree(TREE))
    return volume


async def test_file_comes_back_as_it_was(volume):
    written = await put(volume, "data/a b/é%.csv", b"one,", b"two")
    assert (written.path, written.size) == ("data/a b/é%.csv", 7)
    assert await read(volume, "data/a b/é%.csv") == b"one,two"


async def test_empty_file_is_a_file(volume):
    await put(volume, "empty")
    assert await read(volume, "empty") == b""
    assert await names(volume) == [("empty", "file", 0)]


async def test_large_file_comes_back_as_it_was(volume):
    block = bytes(range(256)) * 4096
    await put(volume, "large", *[block] * 20)
    assert await read(volume, "large") == block * 20


async def test_stretch_of_a_file(volume):
    await put(volume, "digits", b"0123456789")
    assert await read(volume, "digits", Span(3, 4)) == b"3456"


async def test_put_replaces_and_changes_the_etag(volume):
    await put(volume, "file", b"old")
    async with volume.open(TREE, ("file",)) as before:
        first = before.etag
    await put(volume, "file", b"newer")
    async with volume.open(TREE, ("file",)) as after:
        assert after.etag != first
    assert await read(volume, "file") == b"newer"


async def test_listing_at_one_level_and_at_all(volume):
    for path in ("b/c/d", "b/e", "a"):
        await put(volume, path, b"x")
    assert await names(volume, recursive=False) == [("a", "file", 1), ("b", "directory", 0)]
    assert await names(volume, ("b",)) == [
        ("b/c", "directory", 0),
        ("b/c/d", "file", 1),
        ("b/e", "file", 1),
    ]
    assert await names(volume, ("b", "e")) == [("b/e", "file", 1)]


async def test_new_tree_is_empty_and_making_it_again_changes_nothing(volume):
    assert await names(volume) == []
    await put(volume, "kept", b"x")
    await volume.create_tree(TREE)
    assert await names(volume) == [("kept", "file", 1)]


async def test_upload_that_ends_in_an_error_leaves_nothing(volume):
    with pytest.raises(GivenUp):
        await volume.put(TREE, ("deep", "file"), stream(b"x" * 100, error=GivenUp()))
    assert await names(volume) == []


async def test_large_upload_that_ends_in_an_error_leaves_the_old_file(volume):
    await put(volume, "file", b"old")
    blocks = [b"x" * (1 << 20)] * 10
    with pytest.raises(GivenUp):
        await volume.put(TREE, ("file",), stream(*blocks, error=GivenUp()))
    assert await read(volume, "file") == b"old"


async def test_upload_that_is_cancelled_leaves_nothing(volume):
    begun = asyncio.Event()

    async def endless():
        yield b"x"
        begun.set()
        await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(volume.put(TREE, ("file",), endless()))
        await begun.wait()
        task.cancel()
    assert await names(volume) == []


async def test_file_is_not_visible_before_its_last_byte(volume):
    async def looking():
        yield b"first"
        assert await names(volume) == []
        yield b"last"

    await volume.put(TREE, ("file",), looking())
    assert await names(volume) == [("file", "file", 9)]


async def test_delete_of_a_file_and_of_a_directory(volume):
    for path in ("a", "b/c/d", "b/e", "bee"):
        await put(volume, path, b"x")
    await volume.delete(TREE, ("a",))
    await volume.delete(TREE, ("b",))
    assert await names(volume) == [("bee", "file", 1)]


@pytest.mark.parametrize("path", [("gone",), ("no", "such", "file")])
async def test_what_is_not_there_is_not_found(volume, path):
    with pytest.raises(errors.FileNotFound):
        await volume.delete(TREE, path)
    with pytest.raises(errors.FileNotFound):
        await volume.entries(TREE, path, recursive=True)
    with pytest.raises(errors.FileNotFound):
        async with volume.open(TREE, path):
            pass


async def test_file_where_a_directory_is_needed_is_refused(volume):
    await put(volume, "file", b"x")
    with pytest.raises(errors.NotDirectory):
        await put(volume, "file/below", b"y")
    with pytest.raises(errors.NotDirectory):
        await volume.delete(TREE, ("file", "below"))
    with pytest.raises(errors.NotDirectory):
        await volume.entries(TREE, ("file", "below"), recursive=True)
    with pytest.raises(errors.NotDirectory):
        async with volume.open(TREE, ("file", "below")):
            pass
    assert await read(volume, "file") == b"x"


async def test_directory_where_a_file_is_needed_is_refused(volume):
    await put(volume, "directory/file", b"x")
    with pytest.raises(errors.IsDirectory):
        await put(volume, "directory", b"y")
    with pytest.raises(errors.IsDirectory):
        async with volume.open(TREE, ("directory",)):
            pass
    assert await read(volume, "directory/file") == b"x"


async def test_tree_that_is_not_there_is_not_found(volume):
    with pytest.raises(errors.TreeNotFound):
        await volume.entries(OTHER, (), recursive=True)
    with pytest.raises(errors.TreeNotFound):
        await volume.put(OTHER, ("file",), stream(b"x"))
    with pytest.raises(errors.TreeNotFound):
        await volume.delete(OTHER, ("file",))
    with pytest.raises(errors.TreeNotFound):
        async with volume.open(OTHER, ("file",)):
            pass


async def test_deleted_tree_takes_its_files_along_and_no_others(volume):
    await put(volume, "a/b", b"x")
    await volume.create_tree(OTHER)
    await volume.put(OTHER, ("kept",), stream(b"y"))
    await volume.delete_tree(TREE)
    await volume.delete_tree(TREE)
    with pytest.raises(errors.TreeNotFound):
        await volume.entries(TREE, (), recursive=True)
    await volume.create_tree(TREE)
    assert await names(volume) == []
    assert len(await volume.entries(OTHER, (), recursive=True)) == 1
    await volume.delete_tree(OTHER)


async def test_tree_deleted_during_an_upload_takes_nothing_in(volume):
    async def deleting():
        yield b"x"
        await volume.delete_tree(TREE)
        yield b"y"

    with pytest.raises(errors.TreeNotFound):
        await volume.put(TREE, ("file",), deleting())
    await volume.create_tree(TREE)
    assert await names(volume) == []


@pytest.mark.parametrize("tree", ["..", "a/b", "", TREE.upper()])
async def test_tree_id_that_is_no_uuid_is_refused(volume, tree):
    with pytest.raises(Invalid) as refused:
        await volume.create_tree(tree)
    assert refused.value.field == "tree"


async def test_directory_at_its_limit_takes_no_more(make_volume):
    volume = make_volume(directory_entries_max=2)
    await volume.create_tree(TREE)
    await put(volume, "a", b"x")
    await put(volume, "b/c", b"x")
    with pytest.raises(errors.TooManyEntries):
        await put(volume, "d", b"x")
    await put(volume, "a", b"replaced")
    await put(volume, "b/d", b"x")


async def test_listing_over_its_limit_is_refused(make_volume):
    volume = make_volume(listing_entries_max=2)
    await volume.create_tree(TREE)
    for path in ("a/1", "a/2", "b"):
        await put(volume, path, b"x")
    assert len(await names(volume, ("a",))) == 2
    with pytest.raises(errors.TooManyEntries):
        await names(volume)


async def test_writers_of_one_file_leave_one_whole_content(volume):
    contents = [bytes([65 + number]) * 300_000 for number in range(4)]
    async with asyncio.TaskGroup() as group:
        for content in contents:
            group.create_task(put(volume, "contested", content[:100_000], content[100_000:]))
    assert await read(volume, "contested") in contents
