"""Folders in a kernel, read from /proc/<pid>/mountinfo and from the folder itself: visible there, safe from its end."""

from pathlib import Path

import pytest

from quarterdeck.agent.kernels.errors import KernelNotStarted
from quarterdeck.agent.kernels.spec import Bind
from quarterdeck.testing.workshops import execute

pytestmark = pytest.mark.usefixtures("mounts")


@pytest.fixture
def folder(tmp_path):
    """A folder with one file."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "numbers").write_text("1 2 3")
    return tmp_path / "folder"


def mount_points(pid, below):
    """Mount point -> options, of those below a directory."""
    lines = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    return {
        line[4].removeprefix(f"{below}/"): line[5].split(",")
        for line in lines
        if line[4].startswith(f"{below}/")
    }


async def test_a_folder_is_read_and_written_through_its_mount(workshop, folder):
    kernel = await workshop.make(binds=(Bind(str(folder), "data"),))
    code = "open('data/sum', 'w').write(str(sum(map(int, open('data/numbers').read().split()))))"
    assert (await execute(kernel, code)).status == "ok"
    assert (folder / "sum").read_text() == "6"


async def test_mounts_are_in_the_kernel_and_nowhere_else(workshop, folder):
    kernel = await workshop.make(
        binds=(Bind(str(folder), "a/b/deep"), Bind(str(folder), "read", read_only=True))
    )
    work = workshop.scratch.directory(kernel.id) / "work"
    inside = mount_points(kernel.pid, work)
    assert sorted(inside) == ["a/b/deep", "read"]
    assert ("ro" in inside["read"], "ro" in inside["a/b/deep"]) == (True, False)
    assert mount_points("self", work) == {}
    assert list((work / "read").iterdir()) == []


async def test_a_read_only_folder_cannot_be_written_nor_made_writable(workshop, folder):
    kernel = await workshop.make(binds=(Bind(str(folder), "data", read_only=True),))
    code = """
import ctypes
def error_of(act):
    try: return act()
    except OSError as error: return error.errno
libc = ctypes.CDLL(None, use_errno=True)
def remount(): raise OSError(libc.mount(b"none", b"data", None, 0x1020, None) and ctypes.get_errno())
def unmount(): raise OSError(libc.umount2(b"data", 2) and ctypes.get_errno())
[error_of(act) for act in (lambda: open("data/new", "w"), remount, unmount)]
"""
    assert (await execute(kernel, code)).result == "[30, None, None]"
    assert (await execute(kernel, "remount()")).error.message == "1"
    assert (await execute(kernel, "unmount()")).error.message == "1"
    assert [one.name for one in folder.iterdir()] == ["numbers"]


async def test_the_end_of_the_kernel_leaves_the_folder_as_it_is(workshop, folder):
    kernel = await workshop.make(binds=(Bind(str(folder), "a/data"),))
    await execute(kernel, "open('a/other', 'w').write('gone')")
    await workshop.end(kernel)
    assert (folder / "numbers").read_text() == "1 2 3"
    assert not workshop.scratch.directory(kernel.id).exists()


async def test_a_folder_that_is_not_there_is_refused_by_name(workshop, folder, tmp_path):
    missing = Bind(str(tmp_path / "missing"), "data")
    with pytest.raises(KernelNotStarted, match="data") as refusal:
        await workshop.make(binds=(missing,))
    assert refusal.value.code == "mount-source-missing"
    assert str(tmp_path) not in refusal.value.detail


async def test_a_directory_of_a_folder_is_mounted_without_the_rest(workshop, folder):
    (folder / "raw" / "2026").mkdir(parents=True)
    bind = Bind(str(folder), "data", subpath="raw/2026")
    kernel = await workshop.make(binds=(bind,))
    code = "import os; open('data/new', 'w').write('x'); os.listdir('data'), os.path.exists('data/../numbers')"
    assert (await execute(kernel, code)).result == "(['new'], False)"
    assert (folder / "raw" / "2026" / "new").read_text() == "x"


@pytest.mark.parametrize("subpath", ["missing", "numbers", "out", "raw/out", "out/etc"])
async def test_what_a_folders_user_puts_in_the_way_of_a_subpath_leads_nowhere(
    workshop, folder, subpath
):
    (folder / "raw").mkdir()
    (folder / "out").symlink_to("/etc")
    (folder / "raw" / "out").symlink_to("..")
    with pytest.raises(KernelNotStarted, match="data") as refusal:
        await workshop.make(binds=(Bind(str(folder), "data", subpath=subpath),))
    assert refusal.value.code == "mount-source-missing"


async def test_without_namespaces_mounts_are_refused(plain, folder, workshop):
    spec = workshop.spec(binds=(Bind(str(folder), "data"),))
    with pytest.raises(KernelNotStarted) as refusal:
        await plain.spawn(spec, lambda _: None)
    assert refusal.value.code == "mounts-unsupported"
