"""Folders in kernels: what one side writes, the other reads; what is mounted stays; what is not shared stays unseen."""

import pytest

from quarterdeck.client.errors import Refused


async def test_kernel_and_api_see_the_same_bytes(user, observe, tmp_path):
    """Behaviour 37: a mounted folder is the folder. Upload, change in the kernel, look at the disk, download."""
    (tmp_path / "in.txt").write_text("from the user\n")
    folder = await user.folders.create("shared")
    await folder.upload(tmp_path / "in.txt")
    session = await user.sessions.create(mounts={"data/inner": folder})
    await session.reaches("RUNNING", within=10)
    seen = await session.execute(
        "text = open('data/inner/in.txt').read()\n"
        "open('data/inner/out.txt', 'w').write(text.upper())\ntext"
    )
    assert seen.result == repr("from the user\n")
    assert observe.content(folder.id)["out.txt"] == b"FROM THE USER\n"
    await folder.download("out.txt", tmp_path / "back.txt")
    assert (tmp_path / "back.txt").read_text() == "FROM THE USER\n"


async def test_mount_is_a_mount_of_the_folders_tree(user, observe):
    """The kernel's own mount table says so. Compare what /proc shows of the mount point with the tree on disk."""
    folder = await user.folders.create("mounted")
    session = await user.sessions.create(mounts={"data": folder})
    await session.reaches("RUNNING", within=10)
    stat = "import os; s = os.stat('data'); (s.st_dev, s.st_ino)"
    on_disk = observe.trees()[folder.id].stat()
    assert (await session.execute(stat)).result == repr((on_disk.st_dev, on_disk.st_ino))
    kernel = observe.kernel(session.id)
    table = [observe.mounts(pid) for pid in observe.kernel_pids(kernel)]
    assert any(point.endswith(f"{kernel}/work/data") for points in table for point in points)


async def test_folder_outlives_the_session_and_its_kernel(user, observe):
    """Terminating a session removes its scratch directory, never a folder. Write in the kernel, terminate, look."""
    folder = await user.folders.create("kept")
    session = await user.sessions.create(mounts={"data": folder})
    await session.reaches("RUNNING", within=10)
    await session.execute("open('data/result', 'w').write('42'); open('scratch', 'w').write('x')")
    await session.terminate()
    await session.reaches("TERMINATED", within=10)
    assert observe.content(folder.id) == {"result": b"42"}
    assert observe.scratch() == {}


async def test_mounted_folder_cannot_be_deleted(user, observe):
    """Behaviour 38: delete is refused while a live session mounts the folder, and works after it. Look at row and tree each time."""
    folder = await user.folders.create("busy")
    session = await user.sessions.create(mounts={"data": folder})
    await session.reaches("RUNNING", within=10)
    with pytest.raises(Refused) as refusal:
        await folder.delete()
    assert (refusal.value.status, refusal.value.code) == (409, "folder-mounted")
    assert folder.id in observe.trees()
    await session.terminate()
    await session.reaches("TERMINATED", within=10)
    await folder.delete()
    assert observe.value("SELECT count(*) FROM folders WHERE id = %s", folder.id) == 0
    assert folder.id not in observe.trees()


async def test_kernel_sees_no_folder_that_it_did_not_mount(user, observe):
    """Behaviour 37: other folders cannot be reached. Two folders, one mounted. The kernel's working directory shows the one only."""
    mine, other = await user.folders.create("mine"), await user.folders.create("other")
    session = await user.sessions.create(mounts={"mine": mine})
    await session.reaches("RUNNING", within=10)
    assert (await session.execute("import os; sorted(os.listdir())")).result == "['mine']"
    mounted = [observe.mounts(pid) for pid in observe.kernel_pids(observe.kernel(session.id))]
    assert not any(other.id in point for points in mounted for point in points)
