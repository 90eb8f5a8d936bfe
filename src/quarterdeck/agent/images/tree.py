"""The tree of files that an image's layers make, one entry of a layer after the other. Standard library only; used by `unpack`.

Every path is resolved by the kernel with the tree as its root, so that no name and no link leads out of it. All files belong to the
user who runs this, without set-uid bits; no device is made.
"""

import contextlib
import ctypes
import os
import shutil
import stat
import struct
import tarfile
from collections.abc import Iterator
from typing import NamedTuple

COPY_BYTES = 2**18
ENTRY_BYTES = 2**12
"""What each file takes on disk besides its content, about: empty ones fill a disk, too."""
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_OPENAT2 = 437
_RESOLVE_IN_ROOT, _RESOLVE_NO_MAGICLINKS = 0x10, 0x02
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC

_HOW = struct.pack("QQQ", _DIRECTORY, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
"""The `struct open_how` of all that is opened here."""

_libc = ctypes.CDLL(None, use_errno=True)


class Refused(Exception):
    """The image cannot be unpacked, or must not be."""


class Tree:
    """The tree that is made. Directories get their modes at the end: until then they must be open to us."""

    def __init__(self, top: str, *, entries_max: int) -> None:
        os.mkdir(top, 0o700)
        self._top = top
        self._root = os.open(top, _DIRECTORY)
        self._modes: dict[str, int] = {"": 0o755}
        self._added: set[str] = set()
        self._entries_left = entries_max

    def begin_from(self, parent: str) -> int:
        """Take all of another tree, its files by hard links; return their bytes. Raises `Refused`, OSError."""
        size = 0
        for place, directories, files, _ in os.fwalk(parent):
            inside = os.path.relpath(place, parent)
            inside = "" if inside == "." else inside
            self._modes[inside] = stat.S_IMODE(os.stat(place).st_mode)
            for name in list(directories):
                if os.path.islink(os.path.join(place, name)):
                    directories.remove(name)
                    files.append(name)
                else:
                    os.mkdir(os.path.join(self._top, inside, name), 0o700)
            for name in files:
                source = os.path.join(place, name)
                os.link(source, os.path.join(self._top, inside, name), follow_symlinks=False)
                size += os.lstat(source).st_size + ENTRY_BYTES
            self._count(len(directories) + len(files))
            size += len(directories) * ENTRY_BYTES
        return size

    def begin_layer(self) -> None:
        """Take note that what comes now is of another layer."""
        self._added.clear()

    def add(self, archive: tarfile.TarFile, info: tarfile.TarInfo) -> None:
        """Add one entry of a layer. Raises `Refused`, OSError."""
        self._count(1)
        path = _inside(info.name)
        above, name = os.path.split(path)
        if name.startswith(_WHITEOUT):
            self._take_away(above, name)
        elif not name:
            self._modes[""] = _mode(info)
        elif _is_made(info, path):
            with self._parent(above) as parent:
                self._make(_Place(parent, name, path), archive, info)
            while path and path not in self._added:
                self._added.add(path)
                path = os.path.dirname(path)

    def _count(self, entries: int) -> None:
        self._entries_left -= entries
        if self._entries_left < 0:
            raise Refused("it has more files than there may be")

    def finish(self) -> None:
        """Give the directories their modes."""
        for path in sorted(self._modes, key=len, reverse=True):
            with (
                contextlib.suppress(FileNotFoundError, NotADirectoryError),
                self._opened(path) as one,
            ):
                os.chmod(f"/proc/self/fd/{one}", self._modes[path])

    def _make(self, at: "_Place", archive: tarfile.TarFile, info: tarfile.TarInfo) -> None:
        if info.isdir():
            self._make_directory(at, _mode(info))
            return
        if info.islnk():
            self._link(at, _inside(info.linkname))
            return
        self._remove(*at)
        if info.issym():
            os.symlink(info.linkname, at.name, dir_fd=at.parent)
        elif info.isfifo():
            os.mkfifo(at.name, _mode(info), dir_fd=at.parent)
        else:
            _write(at, archive, info)

    def _make_directory(self, at: "_Place", mode: int) -> None:
        if not _is_directory(at.parent, at.name):
            self._remove(*at)
            os.mkdir(at.name, 0o700, dir_fd=at.parent)
        self._modes[at.path] = mode

    def _link(self, at: "_Place", target: str) -> None:
        above, last = os.path.split(target)
        with self._parent(above) as source:
            found = os.stat(last, dir_fd=source, follow_symlinks=False)
            if not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
                raise Refused(f"{target!r} is no file that could have another name")
            with contextlib.suppress(FileNotFoundError):
                there = os.stat(at.name, dir_fd=at.parent, follow_symlinks=False)
                if (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino):
                    return
            self._remove(*at)
            os.link(last, at.name, src_dir_fd=source, dst_dir_fd=at.parent, follow_symlinks=False)

    def _take_away(self, above: str, name: str) -> None:
        """Do what a whiteout says to what lower layers have."""
        hidden = name.removeprefix(_WHITEOUT)
        if hidden in {"", ".", ".."}:
            raise Refused(f"{name!r} hides nothing that could be hidden")
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if name == _OPAQUE:
                self._hide_all_in(above)
            elif not hidden.startswith(_WHITEOUT):
                self._hide(above, hidden)

    def _hide_all_in(self, above: str) -> None:
        with self._opened(above) as parent:
            names = os.listdir(f"/proc/self/fd/{parent}")
        for one in names:
            self._hide(above, one)

    def _hide(self, above: str, name: str) -> None:
        """Remove what lower layers have at a name; what this layer has added stays."""
        path = os.path.join(above, name)
        with self._opened(above) as parent:
            if path not in self._added:
                self._remove(parent, name, path)
                return
            deeper = _is_directory(parent, name)
        if deeper:
            self._hide_all_in(path)

    def _remove(self, parent: int, name: str, path: str) -> None:
        if _is_directory(parent, name):
            shutil.rmtree(name, dir_fd=parent)
            for one in [one for one in self._modes if one == path or one.startswith(f"{path}/")]:
                del self._modes[one]
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=parent)

    @contextlib.contextmanager
    def _parent(self, path: str) -> Iterator[int]:
        """Open a directory of the tree, made if it is not there."""
        if not self._is_there(path):
            self._make_parents(path)
        with self._opened(path) as found:
            yield found

    def _make_parents(self, path: str) -> None:
        made = ""
        for name in path.split("/"):
            with self._opened(made) as parent, contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=parent)
                self._modes[os.path.join(made, name)] = 0o755
            made = os.path.join(made, name)
            if not self._is_there(made):
                raise Refused(f"{made[:200]!r} is a link that leads nowhere in the image")

    def _is_there(self, path: str) -> bool:
        try:
            with self._opened(path):
                return True
        except FileNotFoundError:
            return False

    @contextlib.contextmanager
    def _opened(self, path: str) -> Iterator[int]:
        found = _libc.syscall(_OPENAT2, self._root, os.fsencode(path or "."), _HOW, len(_HOW))
        if found < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
        try:
            yield found
        finally:
            os.close(found)


def _write(at: "_Place", archive: tarfile.TarFile, info: tarfile.TarInfo) -> None:
    source = archive.extractfile(info)
    if source is None:
        raise Refused("it has no content")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(at.name, flags, 0o600, dir_fd=at.parent), "wb") as target:
        shutil.copyfileobj(source, target, COPY_BYTES)
        target.flush()
        os.fchmod(target.fileno(), _mode(info))
        os.utime(target.fileno(), (max(info.mtime, 0), max(info.mtime, 0)))


def _is_made(info: tarfile.TarInfo, path: str) -> bool:
    """Tell whether something is to be made of an entry; devices are only passed over where a container gets its own. Raises `Refused`."""
    if info.issparse() or not (
        info.isdir() or info.islnk() or info.issym() or info.isfifo() or info.isreg()
    ):
        if (info.ischr() or info.isblk()) and path.startswith("dev/"):
            return False
        raise Refused("it is a device" if info.isdev() else "it is of a kind that is not allowed")
    return True


def _inside(name: str) -> str:
    """Return a name of an archive as a path from the root of the tree. Raises `Refused`."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts or "\0" in name:
        raise Refused(f"the name {name[:200]!r} leads out of the image")
    return "/".join(parts)


def _mode(info: tarfile.TarInfo) -> int:
    """Return a mode without set-uid bits, and with what the agent needs to read and to remove it."""
    return (info.mode & 0o1777) | (0o700 if info.isdir() else 0o400)


def _is_directory(parent: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


class _Place(NamedTuple):
    """Where something is made: a directory that is open, a name in it, and the path of both."""

    parent: int
    name: str
    path: str
