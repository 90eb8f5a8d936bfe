"""Layers are strangers' archives: what they may hold is unpacked as it should be, what they must not is refused in words, and nothing outside of the tree changes."""

import gzip
import os
import stat
import tarfile

import pytest

from quarterdeck.agent.images import trees
from quarterdeck.agent.images.errors import LayerRefused
from quarterdeck.agent.images.model import chain
from quarterdeck.testing.image_layers import GZIPPED, Layer, digest

MIB = 2**20


@pytest.fixture
def unpack(tmp_path):
    """Unpack layers, one on the other, and return the tree."""
    room = tmp_path / "room"
    made = trees.Trees.open(room / "trees")

    async def act(*layers, bytes_max=64 * MIB):
        files = []
        for layer in layers:
            path = room / digest(layer.blob())[7:]
            path.write_bytes(layer.blob())
            kind = "gzip" if layer.media_type == GZIPPED else "none"
            files.append(trees.Layer(str(path), kind, digest(layer.diff())))
        names = chain([one.diff_id for one in files])
        try:
            await made.make(names, files, bytes_max=bytes_max)
        finally:
            assert list((room / "trees" / "making").iterdir()) == []
        return made.path(names[-1])

    return act


class Damaged:
    """A layer whose blob is another one than it should be."""

    def __init__(self, layer, blob):
        self.media_type = layer.media_type
        self.diff = layer.diff
        self.blob = lambda: blob


def seen(tree):
    """All paths below a tree, with the content of files and the targets of links."""
    found = {}
    for path in sorted(tree.rglob("*")):
        name = str(path.relative_to(tree))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        else:
            found[name] = "/" if path.is_dir() else path.read_text()
    return found


async def test_files_links_and_modes_are_as_the_layer_says(unpack):
    layer = Layer(gzipped=True).directory("a", mode=0o1777).file("a/run", "1", mode=0o755)
    layer.symlink("a/absolute", "/etc/passwd").hard_link("a/again", "a/run").file("deep/er/x", "2")
    tree = await unpack(layer)
    assert seen(tree) == {
        "a": "/",
        "a/run": "1",
        "a/again": "1",
        "a/absolute": "-> /etc/passwd",
        "deep": "/",
        "deep/er": "/",
        "deep/er/x": "2",
    }
    assert stat.S_IMODE((tree / "a").stat().st_mode) == 0o1777
    assert stat.S_IMODE((tree / "a/run").stat().st_mode) == 0o755
    assert (tree / "a/run").stat().st_nlink == 2


async def test_upper_layers_replace_and_hide_what_lower_ones_have(unpack):
    lower = (
        Layer().file("etc/kept", "1").file("etc/gone", "1").file("all/a", "1").file("all/b/c", "1")
    )
    lower.file("file", "1").directory("was/directory").directory("usr/lib").symlink(
        "lib", "usr/lib"
    )
    upper = Layer().whiteout("etc/gone").file("all/new", "2").opaque("all").whiteout("nowhere/x")
    upper.directory("file").file("was", "2").file("lib/x", "2").whiteout("etc/.wh..aufs")
    assert seen(await unpack(lower, upper)) == {
        "etc": "/",
        "etc/kept": "1",
        "all": "/",
        "all/new": "2",
        "file": "/",
        "was": "2",
        "lib": "-> usr/lib",
        "usr": "/",
        "usr/lib": "/",
        "usr/lib/x": "2",
    }


async def test_a_tree_shares_the_files_of_the_one_it_is_made_from_and_leaves_it_as_it_is(unpack):
    base = (
        Layer()
        .file("same", "1")
        .file("changed", "1")
        .symlink("link", "same")
        .directory("d", mode=0o711)
    )
    first = await unpack(base)
    second = await unpack(base, Layer().file("changed", "2").whiteout("link"))
    assert (first / "same").stat().st_ino == (second / "same").stat().st_ino
    assert stat.S_IMODE((second / "d").stat().st_mode) == 0o711
    assert seen(first) == {"same": "1", "changed": "1", "link": "-> same", "d": "/"}
    assert seen(second) == {"same": "1", "changed": "2", "d": "/"}


async def test_links_that_point_outside_stay_inside_when_something_is_written_through_them(
    unpack, tmp_path
):
    host = tmp_path / "host"
    host.mkdir()
    (host / "kept").write_text("host")
    layer = Layer().symlink("out", str(host)).whiteout("out/kept")
    layer.symlink("up", "../../../../../../..").file("up/file", "escaped")
    with pytest.raises(LayerRefused, match="'out' is a link that leads nowhere in the image"):
        await unpack(layer, Layer().file("out/file", "escaped"))
    inside = str(host).lstrip("/")
    tree = await unpack(layer, Layer().directory(inside).file("out/file", "escaped"))
    assert seen(host) == {"kept": "host"}
    assert [path.read_text() for path in (tree / "file", tree / inside / "file")] == [
        "escaped"
    ] * 2


async def test_a_hard_link_to_a_file_of_the_host_is_refused(unpack, tmp_path):
    (tmp_path / "secret").write_text("host")
    layer = Layer().symlink("out", str(tmp_path)).hard_link("stolen", "out/secret")
    with pytest.raises(LayerRefused, match="stolen"):
        await unpack(layer)


async def test_set_uid_bits_and_owners_are_left_out(unpack):
    info = tarfile.TarInfo("su")
    info.mode, info.uid, info.gid = 0o6755, 4242, 4242
    tree = await unpack(Layer().entry(info))
    assert stat.S_IMODE((tree / "su").stat().st_mode) == 0o755
    assert (tree / "su").stat().st_uid == os.geteuid()


async def test_devices_are_passed_over_in_dev_and_refused_elsewhere(unpack):
    assert seen(await unpack(Layer().directory("dev").device("dev/null").file("x", "1"))) == {
        "dev": "/",
        "x": "1",
    }
    with pytest.raises(LayerRefused, match="'etc/disk': it is a device"):
        await unpack(Layer().device("etc/disk", major=8, minor=0))


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/../x", "a/.."])
async def test_names_that_lead_out_are_refused(unpack, name, tmp_path):
    with pytest.raises(LayerRefused, match="leads out of the image"):
        await unpack(Layer().file(name, "escaped"))
    assert not list(tmp_path.rglob("x"))


async def test_an_absolute_name_is_a_name_in_the_image(unpack):
    assert seen(await unpack(Layer().file("/etc/motd", "1").file("./x", "2"))) == {
        "etc": "/",
        "etc/motd": "1",
        "x": "2",
    }


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "a/.wh..."])
async def test_whiteouts_of_nothing_are_refused(unpack, name):
    with pytest.raises(LayerRefused, match="hides nothing"):
        await unpack(Layer().file(name))


async def test_a_bomb_ends_as_a_clear_refusal(unpack):
    bomb = Layer(gzipped=True).file("zeros", bytes(32 * MIB))
    assert len(bomb.blob()) < MIB
    with pytest.raises(LayerRefused, match=r"layer 1 of 1: .*unpacks to more than there may be"):
        await unpack(bomb, bytes_max=8 * MIB)


async def test_files_of_a_shared_base_count_too(unpack, monkeypatch):
    """An image on an image on an image does not come to more files than one may have: each has all of them, by hard links."""
    monkeypatch.setattr(trees, "ENTRIES_MAX", 3)
    base = Layer().directory("d").file("d/a", "1").file("b", "1")
    await unpack(base)
    with pytest.raises(LayerRefused, match="more files than there may be"):
        await unpack(base, Layer().file("c", "1"))


async def test_empty_files_take_room(unpack):
    layer = Layer()
    for number in range(1000):
        layer.file(str(number), "")
    with pytest.raises(LayerRefused, match="unpacks to more than there may be"):
        await unpack(layer, bytes_max=4 * MIB)


async def test_too_many_files_are_refused(unpack, monkeypatch):
    monkeypatch.setattr(trees, "ENTRIES_MAX", 3)
    layer = Layer()
    for number in range(5):
        layer.file(f"file-{number}")
    with pytest.raises(LayerRefused, match="more files than there may be"):
        await unpack(layer)


async def test_a_header_that_would_fill_the_memory_is_refused(unpack):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 40 * 2**30
    header = info.tobuf(tarfile.GNU_FORMAT)
    zeros = gzip.compress(bytes(600 * MIB), 1)
    with pytest.raises(LayerRefused, match="more memory than there may be"):
        await unpack(Damaged(Layer(gzipped=True), gzip.compress(header) + zeros), bytes_max=2**40)


@pytest.mark.parametrize(
    ("begin", "end"),
    [(b"", None), (b"", -4), (b"nonsense" * 100, None)],
    ids=["cut", "end", "all"],
)
async def test_a_damaged_layer_is_refused(unpack, begin, end):
    layer = Layer(gzipped=True).file("a", os.urandom(100_000))
    whole = layer.blob()
    damaged = begin or whole[: end or len(whole) // 2]
    with pytest.raises(LayerRefused, match="layer 1 of 1"):
        await unpack(Damaged(layer, damaged))


async def test_content_that_is_not_what_the_image_says_is_refused(unpack):
    layer = Damaged(Layer().file("a", "1"), Layer().file("a", "2").blob())
    with pytest.raises(LayerRefused, match="its content is not what the image says"):
        await unpack(layer)


async def test_a_tree_as_deep_as_it_gets_can_be_removed(unpack):
    deep = "/".join(["d"] * 1500)
    with pytest.raises(LayerRefused):
        await unpack(
            Layer().file(f"{deep}/x").file("y", "z"), Layer().whiteout("d"), Layer().file("../x")
        )
