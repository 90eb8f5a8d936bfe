"""One suite for what can be done in trees beyond files: the fake, local directories and S3 behave alike."""

import pytest

from quarterdeck.storage_proxy import errors
from quarterdeck.testing.volume_client import VolumeClient

TREE = "0195c0de-0000-7000-8000-000000000001"
CLONE = "0195c0de-0000-7000-8000-000000000002"


@pytest.fixture
def tree(make_volume, shakeout_runner):
    volume = make_volume()
    shakeout_runner.run(volume.create_tree(TREE))
    return VolumeClient(volume, TREE)


async def filled(tree):
    for path in ("a/b/c.txt", "a/b/d.csv", "a/e.txt", "f.txt"):
        await tree.put(path, path.encode())


async def test_made_directory_is_there_without_files(tree):
    """A directory needs no file. Make one with those above it, twice; put a file into it and take it out again."""
    await tree.mkdir("x/y")
    await tree.mkdir("x/y")
    assert await tree.names() == ["x/", "x/y/"]
    assert await tree.names("x/y") == []
    await tree.put("x/y/file", b"x")
    await tree.delete("x/y/file")
    assert await tree.names() == ["x/", "x/y/"]
    await tree.delete("x")
    assert await tree.names() == []


async def test_directory_in_a_files_place_is_not_made(tree):
    """A file is no directory. Make one where a file is, and below it."""
    await tree.put("file", b"x")
    for path in ("file", "file/below"):
        with pytest.raises(errors.NotDirectory):
            await tree.mkdir(path)
    assert await tree.names() == ["file"]


async def test_stat_tells_what_is_there(tree):
    """One path, one answer. Ask for the root, a directory, a file and nothing."""
    await filled(tree)
    seen = [await tree.volume.stat(TREE, path) for path in ((), ("a",), ("a", "e.txt"))]
    assert [(entry.path, str(entry.kind), entry.size) for entry in seen] == [
        ("", "directory", 0),
        ("a", "directory", 0),
        ("a/e.txt", "file", 7),
    ]
    with pytest.raises(errors.FileNotFound):
        await tree.volume.stat(TREE, ("nothing",))


async def test_moved_file_and_directory_have_their_content(tree):
    """A move changes paths only. Move a file and a directory into directories that are not there yet."""
    await filled(tree)
    await tree.move("f.txt", "new/g.txt")
    await tree.move("a", "new/deep/a")
    assert [name for name in await tree.names() if not name.endswith("/")] == [
        "new/deep/a/b/c.txt",
        "new/deep/a/b/d.csv",
        "new/deep/a/e.txt",
        "new/g.txt",
    ]
    assert await tree.read("new/deep/a/b/c.txt") == b"a/b/c.txt"
    with pytest.raises(errors.FileNotFound):
        await tree.read("f.txt")


async def test_copy_is_another_file(tree):
    """A copy has a life of its own. Copy a directory, change the original, look at both."""
    await filled(tree)
    await tree.mkdir("a/empty")
    await tree.copy("a", "z/a")
    await tree.put("a/b/c.txt", b"changed")
    await tree.delete("a/e.txt")
    assert await tree.names("z") == [
        "z/a/",
        "z/a/b/",
        "z/a/b/c.txt",
        "z/a/b/d.csv",
        "z/a/e.txt",
        "z/a/empty/",
    ]
    assert await tree.read("z/a/b/c.txt") == b"a/b/c.txt"
    await tree.copy("f.txt", "f2.txt")
    assert await tree.read("f2.txt") == b"f.txt"


@pytest.mark.parametrize("operation", ["move", "copy"])
async def test_nothing_that_is_there_is_replaced(tree, operation):
    """What exists wins. Move and copy onto a file, a directory and itself."""
    await filled(tree)
    before = await tree.names()
    act = getattr(tree, operation)
    for source, target in (("f.txt", "a/e.txt"), ("a", "f.txt"), ("f.txt", "a"), ("a", "a")):
        with pytest.raises(errors.PathTaken):
            await act(source, target)
    with pytest.raises(errors.NotDirectory):
        await act("a", "f.txt/below")
    assert await tree.names() == before
    assert await tree.read("a/e.txt") == b"a/e.txt"


@pytest.mark.parametrize("operation", ["move", "copy"])
@pytest.mark.parametrize(
    ("source", "target", "refusal"),
    [
        ("nothing", "x", errors.FileNotFound),
        ("no/thing", "x", errors.FileNotFound),
        ("a", "a/b/inside", errors.PathRefused),
        ("", "x", errors.PathRefused),
        ("a", "", errors.PathRefused),
        ("a", "/".join("d" * 31), errors.PathTooLong),
    ],
)
async def test_move_and_copy_that_make_no_sense_are_refused(
    tree, operation, source, target, refusal
):
    """Refused means unchanged. Try what has no source, lies in itself, or would be too deep."""
    await filled(tree)
    before = await tree.names()
    with pytest.raises(refusal):
        await getattr(tree, operation)(source, target)
    assert await tree.names() == before


async def test_search_finds_by_name_and_by_path(tree):
    """A pattern finds what `ls -R` would show. Look for names, paths, below a directory, and with a limit."""
    await filled(tree)
    assert await tree.search("*.txt") == ["a/b/c.txt", "a/e.txt", "f.txt"]
    assert await tree.search("*.txt", "a") == ["a/b/c.txt", "a/e.txt"]
    assert await tree.search("a/*") == ["a/b", "a/e.txt"]
    assert await tree.search("**/b/**/*.csv") == ["a/b/d.csv"]
    assert await tree.search("*", limit=2) == ["a", "a/b", "..."]
    assert await tree.search("*.none") == []
    with pytest.raises(errors.FileNotFound):
        await tree.search("*", "nothing")
    with pytest.raises(errors.NotDirectory):
        await tree.search("*", "f.txt")


async def test_search_and_copy_are_bounded(make_volume):
    """Nobody makes the service walk for ever. Search and copy more entries than the limits allow."""
    volume = make_volume(search_entries_max=3, copy_entries_max=3)
    await volume.create_tree(TREE)
    tree = VolumeClient(volume, TREE)
    for name in "wxyz":
        await tree.put(f"a/{name}", b"x")
    with pytest.raises(errors.TooManyEntries):
        await tree.search("*.none")
    with pytest.raises(errors.TooManyEntries):
        await tree.copy("a", "b")
    assert await tree.names() == ["a/", "a/w", "a/x", "a/y", "a/z"]


async def test_full_directory_takes_no_directory_move_or_copy(make_volume):
    """The limit holds for every way in. Fill a directory, then make, move and copy into it."""
    volume = make_volume(directory_entries_max=2)
    await volume.create_tree(TREE)
    tree = VolumeClient(volume, TREE)
    for path in ("a/1", "a/2", "b"):
        await tree.put(path, b"x")
    for attempt in (tree.mkdir("a/3"), tree.move("b", "a/3"), tree.copy("b", "a/3")):
        with pytest.raises(errors.TooManyEntries):
            await attempt
    assert await tree.names() == ["a/", "a/1", "a/2", "b"]


async def test_clone_is_a_tree_of_its_own(tree):
    """A clone shares nothing. Clone, change the original, clone again: the clone stays as it was."""
    await filled(tree)
    await tree.mkdir("empty")
    await tree.volume.clone_tree(TREE, CLONE, None)
    before = await tree.names(tree=CLONE)
    assert before == await tree.names()
    await tree.put("f.txt", b"changed")
    await tree.volume.clone_tree(TREE, CLONE, None)
    clone = VolumeClient(tree.volume, CLONE)
    assert await clone.read("f.txt") == b"f.txt"
    await clone.delete("a")
    assert "a/b/c.txt" in await tree.names()
    await tree.volume.delete_tree(CLONE)
    assert "a/b/c.txt" in await tree.names()


async def test_operations_in_a_tree_that_is_not_there(tree):
    """Every operation says so. Try all in a tree that was never made."""
    nowhere = VolumeClient(tree.volume, CLONE)
    for attempt in (
        nowhere.mkdir("a"),
        nowhere.move("a", "b"),
        nowhere.copy("a", "b"),
        nowhere.search("*"),
        nowhere.volume.stat(CLONE, ("a",)),
        nowhere.volume.clone_tree(CLONE, TREE[:-1] + "9", None),
    ):
        with pytest.raises(errors.TreeNotFound):
            await attempt
