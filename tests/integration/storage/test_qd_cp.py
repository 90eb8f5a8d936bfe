"""`qd cp` as people use it: progress, Ctrl-C and going on, directories, patterns, checksums. What came of it is looked at on disk."""

import pytest

from quarterdeck.testing.pieces import UPLOADS, of_grant
from shakeout.links.behaviour import Behaviour
from shakeout.waiting.until import until

SECONDS_MAX = 20
SLOW_BYTES = 4 * 1024 * 1024
MARGIN_BYTES = 1024 * 1024
LARGE_BYTES = 24 * 1024 * 1024
FILES = {"a.csv": b"1,2", "b.txt": b"text", "deep/c.csv": b"3,4", "deep/er/empty": b""}


def tree(root):
    """The files below a directory."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def local(tmp_path):
    """Files here."""
    for path, content in FILES.items():
        (tmp_path / "local" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "local" / path).write_bytes(content)
    return tmp_path / "local"


async def test_directory_goes_there_and_back(user, qd, observe, local, tmp_path):
    """A directory is copied with -r and not without. Copy it there under its name, and back; compare disks."""
    folder = await user.folders.create("data")
    refused = await qd("cp", str(local), "data:", check=False)
    assert (refused.code, observe.content(folder.id)) == (1, {})
    assert "-r copies those" in refused.stderr
    await qd("cp", "-r", str(local), "data:")
    assert observe.content(folder.id) == {f"local/{path}": data for path, data in FILES.items()}
    (tmp_path / "back").mkdir()
    refused = await qd("cp", "data:local", str(tmp_path / "back"), check=False)
    assert refused.code == 1
    await qd("cp", "-r", "--checksum", "data:local", str(tmp_path / "back"))
    assert tree(tmp_path / "back" / "local") == FILES


async def test_patterns_on_both_sides(user, qd, observe, local, tmp_path):
    """A pattern stands for what fits. Send all CSV files into a directory, fetch some by another pattern; compare names and bytes."""
    folder = await user.folders.create("data")
    await qd("cp", f"{local}/**/*.csv", "data:raw/")
    assert observe.content(folder.id) == {"raw/a.csv": b"1,2", "raw/c.csv": b"3,4"}
    (tmp_path / "out").mkdir()
    await qd("cp", "data:raw/[a]*", str(tmp_path / "out"))
    assert tree(tmp_path / "out") == {"a.csv": b"1,2"}
    assert (await qd("cp", "data:raw/*.pdf", str(tmp_path / "out"), check=False)).code == 1


async def test_files_that_would_replace_each_other_are_not_copied(
    user, qd, observe, local, tmp_path
):
    """Two files for one place are refused before anything is copied, in both directions; the same file named twice is one."""
    (local / "deep" / "a.csv").write_bytes(b"other")
    folder = await user.folders.create("data")
    refused = await qd("cp", f"{local}/**/*.csv", "data:raw/", check=False)
    assert (refused.code, observe.content(folder.id)) == (1, {})
    assert "would both become raw/a.csv" in refused.stderr
    await qd("cp", "-r", f"{local}/", "data:in")
    (tmp_path / "out").mkdir()
    refused = await qd("cp", "data:**/*.csv", str(tmp_path / "out"), check=False)
    assert (refused.code, tree(tmp_path / "out")) == (1, {})
    await qd("cp", "data:**/b.txt", "data:**/b.*", str(tmp_path / "out"))
    assert tree(tmp_path / "out") == {"b.txt": b"text"}


async def test_directory_there_takes_a_file(user, qd, observe, local):
    """As with cp: an existing directory takes the file, another path is its new name."""
    folder = await user.folders.create("data")
    await qd("cp", str(local / "a.csv"), "data:raw/a.csv")
    await qd("cp", str(local / "b.txt"), "data:raw")
    await qd("cp", str(local / "b.txt"), "data:renamed")
    assert observe.content(folder.id) == {
        "raw/a.csv": b"1,2",
        "raw/b.txt": b"text",
        "renamed": b"text",
    }


async def test_folder_to_folder_is_told_apart(qd, user):
    """One side is here. Other combinations end in words, and change nothing."""
    await user.folders.create("data")
    for words in (("data:a", "other:b"), ("a", "b"), ("data:a", "b", "other:c")):
        ran = await qd("cp", *words, check=False)
        assert (ran.code, ran.stdout) == (1, "")
        assert "FOLDER:PATH" in ran.stderr


async def test_json_tells_what_was_copied(user, qd, local, tmp_path):
    """Programs read what came of it. Copy there and back with --json."""
    await user.folders.create("data")
    sent = (await qd("cp", "--json", str(local / "a.csv"), "data:")).json
    assert [(each["path"], each["size"]) for each in sent] == [("a.csv", 3)]
    fetched = (await qd("cp", "--json", "data:a.csv", str(tmp_path / "x"))).json
    assert fetched == [{"path": "a.csv", "local": str(tmp_path / "x"), "size": 3}]


@pytest.fixture
def noise(tmp_path, rng):
    """A file that goes in pieces."""
    path = tmp_path / "noise.bin"
    path.write_bytes(rng.randbytes(LARGE_BYTES))
    return path


@pytest.mark.links
async def test_upload_goes_on_after_ctrl_c(private_cluster, user, qd, observe, noise):
    """Ctrl-C loses nothing. Interrupt an upload on a slow link, type the same again; count bytes on the link, compare the file on disk."""
    folder = await user.folders.create("data")
    pieces = of_grant(await folder.grant("write"))
    link = private_cluster.links.link("test", "storage-proxy")
    await link.set(Behaviour.slowed(SLOW_BYTES))

    async def kept():
        return sum(each["offset"] for each in (await pieces.call("GET")).json["items"])

    async def left_alone():
        """Whether nothing of the interrupted command is on its way or being written any more."""
        if (await link.counters()).open:
            return False
        (upload,) = (await pieces.call("GET")).json["items"]
        answer = await pieces.send(f"{UPLOADS}/{upload['id']}", LARGE_BYTES + 1, b"x")
        return answer.problem == (409, "offset-differs")

    async with qd.terminal("cp", str(noise), "data:") as terminal:
        await terminal.shows("[####")
        await until(kept, within=SECONDS_MAX)
        terminal.interrupts()
        assert await terminal.ended() == 130
        assert "the same command goes on" in terminal.text
    await link.restore()
    await until(left_alone, within=SECONDS_MAX)
    there, before = await kept(), (await link.counters()).bytes_forth
    await qd("cp", str(noise), "data:")
    sent = (await link.counters()).bytes_forth - before
    assert observe.content(folder.id) == {"noise.bin": noise.read_bytes()}
    assert observe.unfinished() == []
    assert LARGE_BYTES - there <= sent < LARGE_BYTES


@pytest.mark.links
async def test_download_goes_on_after_ctrl_c(private_cluster, user, qd, noise, tmp_path):
    """Ctrl-C loses nothing. Interrupt a download on a slow link, type the same again; count bytes on the link, look for leftovers."""
    folder = await user.folders.create("data")
    await folder.upload(noise)
    link = private_cluster.links.link("test", "storage-proxy")
    await link.set(Behaviour.slowed(SLOW_BYTES))

    def partial():
        return sum(path.stat().st_size for path in tmp_path.glob(".again.bin.*.part"))

    async with qd.terminal("cp", "data:noise.bin", "again.bin") as terminal:
        await until(partial, within=SECONDS_MAX, satisfied=lambda size: size > MARGIN_BYTES)
        terminal.interrupts()
        assert await terminal.ended() == 130
    await link.restore()
    there, before = partial(), (await link.counters()).bytes_back
    assert there > MARGIN_BYTES
    await qd("cp", "data:noise.bin", "again.bin")
    received = (await link.counters()).bytes_back - before
    assert (tmp_path / "again.bin").read_bytes() == noise.read_bytes()
    assert received < LARGE_BYTES - there + MARGIN_BYTES
    assert partial() == 0


@pytest.mark.links
async def test_many_files_go_together_and_stop_together(
    private_cluster, user, qd, observe, tmp_path, rng
):
    """Distance is waited for once for several files. Interrupt many on a slow link while several are under way; the same command brings the rest."""
    folder = await user.folders.create("data")
    many = tmp_path / "many"
    many.mkdir()
    for number in range(12):
        (many / f"{number:02}").write_bytes(rng.randbytes(MARGIN_BYTES))
    link = private_cluster.links.link("test", "storage-proxy")
    await link.set(Behaviour.slowed(SLOW_BYTES))

    async def under_way():
        return (await link.counters()).open

    async with qd.terminal("cp", "-r", str(many), "data:") as terminal:
        await until(under_way, within=SECONDS_MAX, satisfied=lambda count: count >= 3)
        await terminal.shows("12 files  [#")
        terminal.interrupts()
        assert await terminal.ended() == 130
    await link.restore()
    assert len(observe.content(folder.id)) < 12
    await qd("cp", "-r", str(many), "data:")
    await qd("cp", "-r", "--checksum", "data:many", str(tmp_path / "back"))
    assert tree(tmp_path / "back") == tree(many)
    assert observe.content(folder.id) == {
        f"many/{name}": content for name, content in tree(many).items()
    }
    assert [path.name for path in tmp_path.rglob("*.part")] == []
