"""Folders in kernels, namespaced and in containers: read-only mounts, parts of folders, and mounts against deletion."""

import errno

import pytest

from quarterdeck.client.errors import SessionEnded
from quarterdeck.testing import containers, image_contents
from quarterdeck.testing.image_layouts import Layout
from quarterdeck.testing.racing import at_once, split


@pytest.fixture(params=["namespaced", pytest.param("oci", marks=pytest.mark.needs("registry"))])
def kernel(request, shakeout_runner):
    """What a session is made of: this machine's Python in namespaces, or an image in a container."""
    if request.param == "namespaced":
        return {"isolation": "namespaced"}
    containers.required()
    return shakeout_runner.run(_pushed(request.getfixturevalue("hub")))


async def _pushed(hub):
    layout = Layout()
    layout.add(image_contents.python_image(), "one")
    await hub.shelf.push("team/python", layout)
    await hub.rescan()
    return {"image": f"{hub.name}/team/python:one", "isolation": "oci"}


READ_ONLY_ATTACKS = """
import os
def error_of(act):
    try: return act()
    except OSError as error: return error.errno
[error_of(act) for act in (
    lambda: open('data/new', 'w'), lambda: open('data/in.txt', 'a'), lambda: os.unlink('data/in.txt'),
    lambda: os.rename('data/in.txt', 'data/other'), lambda: os.mkdir('data/d'), lambda: os.utime('data/in.txt'),
    lambda: os.link('data/in.txt', 'data/link'), lambda: os.symlink('/etc', 'data/out'), lambda: os.chmod('data/in.txt', 0o777),
)]"""


async def test_read_only_mount_cannot_be_written(user, observe, tmp_path, kernel):
    """Behaviour 37: a read-only mount gives EROFS. Try every way to write in a namespaced kernel and a container; look at the disk."""
    (tmp_path / "in.txt").write_text("as it was")
    folder = await user.folders.create("kept")
    await folder.upload(tmp_path / "in.txt")
    session = await user.sessions.create(
        **kernel, mounts={"data": folder.mount(read_only=True), "rw": folder}
    )
    await session.reaches("RUNNING", within=30)
    assert (await session.execute("open('data/in.txt').read()")).result == "'as it was'"
    assert (await session.execute(READ_ONLY_ATTACKS)).result == repr([errno.EROFS] * 9)
    assert observe.content(folder.id) == {"in.txt": b"as it was"}
    assert (await session.execute("open('rw/new', 'w').write('x')")).result == "1"
    assert (await session.execute("open('data/new').read()")).result == "'x'"
    rows = observe.rows(
        "SELECT path, read_only FROM session_mounts WHERE session_id = %s ORDER BY path",
        session.id,
    )
    assert [tuple(row.values()) for row in rows] == [("data", True), ("rw", False)]


async def test_subpath_is_all_that_a_kernel_sees(user, observe, tmp_path, kernel):
    """Behaviour 37: a mount of a directory of a folder shows that one. Mount it, try to leave it, write; look at the disk."""
    (tmp_path / "in.txt").write_text("inner")
    folder = await user.folders.create("deep")
    await folder.upload(tmp_path / "in.txt", "raw/2026/in.txt")
    await folder.upload(tmp_path / "in.txt", "secret.txt")
    session = await user.sessions.create(**kernel, mounts={"data": folder.mount("raw/2026")})
    await session.reaches("RUNNING", within=30)
    looks = "import os; (os.listdir('data'), [os.path.exists(f'data/{up}secret.txt') for up in ('../', '../../')])"
    assert (await session.execute(looks)).result == "(['in.txt'], [False, False])"
    await session.execute("open('data/out.txt', 'w').write('made here')")
    assert observe.content(folder.id)["raw/2026/out.txt"] == b"made here"


async def test_subpath_that_is_a_link_out_is_not_mounted(user, observe, kernel):
    """Behaviour 37: a user who puts a link in the way of a subpath gets nothing. Link in one session, mount in the next."""
    folder = await user.folders.create("trap")
    first = await user.sessions.create(mounts={"data": folder})
    await first.reaches("RUNNING", within=10)
    await first.execute("import os; os.symlink('/etc', 'data/out')")
    second = await user.sessions.create(**kernel, mounts={"data": folder.mount("out")})
    with pytest.raises(SessionEnded):
        await second.reaches("RUNNING", within=30)
    view = await second.refresh()
    assert (view.reason, "no directory out" in view.detail) == ("kernel-failed", True)
    assert observe.slots_in_use(second.id) == (0, 0)


async def trashed_and_mounted(user, folder, trash_at):
    def act(at):
        return folder.trash() if at == trash_at else user.sessions.create(mounts={"data": folder})

    return split(await at_once(act, times=2))


async def test_folder_is_mounted_or_deleted_but_not_both(user, observe):
    """Behaviour 38: also in a race. Create sessions while the folder is deleted, many times; what a live session mounts is there."""
    for number in range(6):
        folder = await user.folders.create(f"raced-{number}")
        made, refused = await trashed_and_mounted(user, folder, trash_at=number % 2)
        (status,) = [
            row["status"]
            for row in observe.rows("SELECT status FROM folders WHERE id = %s", folder.id)
        ]
        mounts = observe.value(
            "SELECT count(*) FROM session_mounts WHERE folder_id = %s", folder.id
        )
        assert (status, mounts, refused) in [
            ("READY", 1, ["folder-mounted"]),
            ("TRASHED", 0, ["illegal-transition"]),
            ("TRASHED", 0, ["folder-not-found"]),
        ]
        assert folder.id in observe.trees()
        assert len(made) == 1
