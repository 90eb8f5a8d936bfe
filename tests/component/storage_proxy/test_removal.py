"""Trees and directories go, whatever a kernel did to them: rights taken away, nested without end, written while they are removed."""

import contextlib
import ctypes
import os
import subprocess

import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.model import Limits
from quarterdeck.storage_proxy.volumes import directories, places, quotas, removal, staging, walk

TREE = "0195c0de-0000-7000-8000-000000000001"
_CAPABILITIES_VERSION = 0x20080522
_OVERRIDES = 0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH


@pytest.fixture
def ordinary():
    """This thread heeds the modes of files, even if it is root's."""
    libc = ctypes.CDLL(None, use_errno=True)
    head, sets = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(head, sets) == 0
    effective = sets[0]
    sets[0] = effective & ~_OVERRIDES
    assert libc.capset(head, sets) == 0
    yield
    sets[0] = effective
    assert libc.capset(head, sets) == 0


@pytest.fixture
def root(tmp_path):
    return tmp_path / "volume"


@contextlib.contextmanager
def opened(root):
    """The trees below a directory."""
    clock, where = SystemClock(), places.Places(root)
    yield directories.Directories(where, quotas.Quotas(where, clock), clock, Limits())


@pytest.fixture
def volume(root, ordinary):
    with opened(root) as volume:
        volume.create_tree(TREE)
        yield volume


@pytest.fixture
def files(root):
    return root / "trees" / TREE / "files"


def forbidden(path):
    """Make a directory with a file that its owner may not even look into."""
    path.mkdir(parents=True)
    (path / "file").write_text("x")
    path.chmod(0)


def left(root):
    return [*(root / "removed").iterdir(), *root.glob("trees/*/staging/*")]


class Resists:
    """Stands for a file that cannot be removed, until `over`."""

    def __init__(self, monkeypatch, file):
        self._unlink, self._file, self.over = os.unlink, file, False
        monkeypatch.setattr(os, "unlink", self)

    def __call__(self, name, *, dir_fd=None):
        if name == self._file and not self.over:
            raise PermissionError(1, "resists")
        self._unlink(name, dir_fd=dir_fd)


def test_tree_with_a_forbidden_directory_goes(volume, root, files):
    forbidden(files / "a" / "b")
    volume.delete_tree(TREE)
    assert left(root) == []


def test_forbidden_tree_goes(volume, root, files):
    (files / "file").write_text("x")
    files.chmod(0)
    volume.delete_tree(TREE)
    assert left(root) == []


@pytest.mark.parametrize("place", ["a", "a/b"])
def test_forbidden_directory_is_deleted(volume, root, files, place):
    forbidden(files / place)
    volume.delete(TREE, ("a",))
    assert (list(files.iterdir()), left(root)) == ([], [])


def test_rights_are_given_to_no_target_of_a_link(volume, root, files, tmp_path):
    forbidden(tmp_path / "outside")
    (files / "a").mkdir()
    (files / "a" / "link").symlink_to(tmp_path / "outside", target_is_directory=True)
    volume.delete_tree(TREE)
    assert left(root) == []
    assert (tmp_path / "outside").stat().st_mode & 0o777 == 0
    (tmp_path / "outside").chmod(0o700)


def test_tree_that_resisted_is_removed_by_the_next_attempt(volume, root, files, monkeypatch):
    (files / "a").mkdir()
    (files / "a" / "file").write_text("x")
    resists = Resists(monkeypatch, "file")
    for _ in range(2):
        with pytest.raises(PermissionError):
            volume.delete_tree(TREE)
        assert left(root) != []
    resists.over = True
    volume.delete_tree(TREE)
    assert left(root) == []


def test_tree_that_resists_keeps_no_storage_proxy_from_starting(volume, root, files, monkeypatch):
    (files / "file").write_text("x")
    resists = Resists(monkeypatch, "file")
    with pytest.raises(PermissionError):
        volume.delete_tree(TREE)
    with opened(root):
        pass
    assert left(root) != []
    resists.over = True
    with opened(root):
        pass
    assert left(root) == []


def test_directory_that_resists_is_deleted_for_its_owner(volume, root, files, monkeypatch):
    (files / "a").mkdir()
    (files / "a" / "file").write_text("x")
    Resists(monkeypatch, "file")
    volume.delete(TREE, ("a",))
    assert volume.entries(TREE, (), recursive=True) == []


def test_leftover_that_resists_hinders_no_upload(volume, root, monkeypatch):
    stage = root / "trees" / TREE / "staging"
    (stage / "old").mkdir()
    (stage / "old" / "file").write_text("x")
    os.utime(stage / "old", (1000, 1000))
    resists = Resists(monkeypatch, "file")
    for _ in range(2):
        with contextlib.closing(volume.stage(TREE, ("new",), 0)) as staged:
            volume.publish(TREE, ("new",), staged, staged.account)
    resists.over = True
    directory = os.open(stage, os.O_RDONLY)
    staging.sweep(directory, SystemClock().now().timestamp() + 90_000)
    os.close(directory)
    assert left(root) == []


def test_directory_written_into_meanwhile_goes_with_what_came(volume, root, files, monkeypatch):
    (files / "a").mkdir()
    (files / "a" / "file").write_text("x")
    coming, names = iter(["late", "later"]), walk.names

    def written_after_listing(directory):
        found = names(directory)
        if "file" in found or "late" in found:
            os.close(os.open(next(coming), os.O_CREAT | os.O_WRONLY, dir_fd=directory))
        return found

    monkeypatch.setattr(walk, "names", written_after_listing)
    volume.delete_tree(TREE)
    assert left(root) == []


def test_directory_written_into_for_ever_is_given_up_by_name(volume, root, files, monkeypatch):
    names = walk.names

    def written_after_listing(directory):
        found = names(directory)
        if "file" in found:
            os.unlink("file", dir_fd=directory)
            os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=directory))
            return []
        return found

    (files / "file").write_text("x")
    monkeypatch.setattr(walk, "names", written_after_listing)
    with pytest.raises(errors.StorageUnavailable), walk.translated():
        volume.delete_tree(TREE)
    monkeypatch.setattr(walk, "names", names)
    volume.delete_tree(TREE)
    assert left(root) == []


@pytest.fixture
def abyss(tmp_path):
    """A directory that is gone afterwards, however deep: pytest's own removal would not get to the ground of it."""
    (tmp_path / "abyss").mkdir()
    yield tmp_path / "abyss"
    subprocess.run(["rm", "-rf", "--", tmp_path / "abyss"], check=True)


def test_directory_nested_deeper_than_any_stack_goes(abyss):
    top = os.open(abyss, os.O_RDONLY | os.O_DIRECTORY)
    below = os.dup(top)
    for _ in range(2000):
        os.mkdir("d", dir_fd=below)
        deeper = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=below)
        os.close(below)
        below = deeper
    os.close(below)
    removal.remove(top, "d")
    os.close(top)
    assert list(abyss.iterdir()) == []
