"""System calls that Python 3.11 lacks, by ctypes: namespaces, mounts, prctl, capset, seccomp. Each raises OSError. Used by the zygote's side."""

import ctypes
import os
import signal
import struct
import sys
from collections.abc import Callable
from pathlib import Path

from quarterdeck.agent.kernels import control_files

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
_CLONE_VM, _CLONE_FS, _CLONE_FILES = 0x100, 0x200, 0x400

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000

MOUNT_READ_ONLY = 0x1
MOUNT_NO_SUID = 0x2
MOUNT_NO_DEVICES = 0x4
MOUNT_NO_PROGRAMS = 0x8
_MOUNT_OWNERS = 0x00100000

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

_SECCOMP_MODE_FILTER = 2
_MNT_DETACH = 2
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442  # the same on every architecture
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH = 4
_CAPABILITY_VERSION_3 = 0x20080522
_ARGUMENTS_END = 46  # field 49 of /proc/<pid>/stat, counted from the third

_libc = ctypes.CDLL(None, use_errno=True)
_libc.getenv.restype = ctypes.c_void_p
_libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
_libc.mount.argtypes = [*[ctypes.c_char_p] * 3, ctypes.c_ulong, ctypes.c_char_p]
_libc.syscall.restype = ctypes.c_long
_libc.sethostname.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
_libc.capset.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
_libc.clone.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
_PAUSE = ctypes.cast(_libc.pause, ctypes.c_void_p)
_STACK = ctypes.create_string_buffer(2**14)


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags` for new ones."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def setns(descriptor: int, kind: int) -> None:
    """Enter the namespace that a descriptor of /proc/<pid>/ns stands for."""
    _check(_libc.setns(ctypes.c_int(descriptor), ctypes.c_int(kind)), "setns")


def clone_pausing() -> int:
    """Start a process that shares memory, descriptors and file system with this one and waits for a signal for ever. Return its pid.

    All of them stand at the same place of the same stack, where none writes anything but what all write.
    """
    top = (ctypes.addressof(_STACK) + len(_STACK)) & ~15
    pid = _libc.clone(_PAUSE, top, _CLONE_VM | _CLONE_FS | _CLONE_FILES | signal.SIGCHLD, None)
    if pid < 0:
        _check(pid, "clone")
    return int(pid)


def mount(  # noqa: PLR0917 - those of the system call, in its order
    source: str, target: str, kind: str | None, flags: int, options: str | None = None
) -> None:
    """Mount, bind or remount."""
    code = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() if kind else None,
        flags,
        options.encode() if options else None,
    )
    _check(code, target)


def open_tree(place: str | int) -> int:
    """Return a descriptor of a copy of what is mounted at a path, or at an open directory, and below it: attached nowhere, to be placed by `move_mount`."""
    flags = _OPEN_TREE_CLONE | _AT_RECURSIVE | os.O_CLOEXEC
    at, path = (place, "") if isinstance(place, int) else (_AT_FDCWD, place)
    descriptor = _libc.syscall(
        _OPEN_TREE, at, os.fsencode(path), flags | (0 if path else _AT_EMPTY_PATH)
    )
    if descriptor < 0:
        _check(descriptor, path or "a directory")
    return int(descriptor)


def move_mount(descriptor: int, target: str) -> None:
    """Place what `open_tree` returned, in this process's mount namespace."""
    code = _libc.syscall(
        *(_MOVE_MOUNT, descriptor, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH)
    )
    _check(code, target)


def restrict_mount(descriptor: int, attributes: int) -> None:
    """Set attributes (`MOUNT_READ_ONLY` ...) on a tree of mounts, all of them."""
    _mount_setattr(descriptor, attributes, 0)


def map_owners(descriptor: int, user_namespace: int) -> None:
    """Show the files of a tree of mounts as owned by those whom a user namespace maps their owners to; needs the host's root."""
    _mount_setattr(descriptor, _MOUNT_OWNERS, user_namespace)


def _mount_setattr(descriptor: int, attributes: int, user_namespace: int) -> None:
    given = struct.pack("QQQQ", attributes, 0, 0, user_namespace)
    flags = _AT_EMPTY_PATH | _AT_RECURSIVE
    code = _libc.syscall(_MOUNT_SETATTR, descriptor, b"", flags, given, len(given))
    _check(code, "mount_setattr")


def enter_root(directory: str) -> None:
    """Make a directory that is a mount the root of this process's mount namespace, and let go of all that was mounted before."""
    os.chdir(directory)
    _check(_libc.syscall(_PIVOT_ROOT[os.uname().machine], b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", ctypes.c_int(_MNT_DETACH)), "umount")
    os.chdir("/")


def set_host_name(name: str) -> None:
    """Name the host, in this process's UTS namespace."""
    data = name.encode()
    _check(_libc.sethostname(data, len(data)), "sethostname")


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process that takes one number."""
    _check(_libc.prctl(option, value, 0, 0, 0), "prctl")


def set_name(name: str) -> None:
    """Name this process, as `ps -o comm` shows it: at most 15 bytes."""
    control_files.write("/proc/self/comm", name)


def set_filter(program: bytes) -> None:
    """Judge every system call of this process and its children by a BPF program from now on. After `PR_SET_NO_NEW_PRIVS`."""
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    place = ctypes.create_string_buffer(header, len(header))
    _check(
        _libc.prctl(PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(place), 0, 0), "seccomp"
    )


def drop_capabilities() -> None:
    """Give up every capability for good: neither a set-uid program nor being root brings one back."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")


class Mark:
    """A text in the memory that this process's program was started with, replaced in place: other processes see the change.

    A forked process keeps showing the arguments and the environment of the program that it was forked from; so it names itself.
    """

    def __init__(self, address: int, room: int) -> None:
        """Take the place of a text of `room` bytes."""
        self._address = address
        self._room = room

    @classmethod
    def of_variable(cls, name: str) -> "Mark":
        """Find an environment variable, shown in /proc/<pid>/environ. Raises KeyError."""
        address = _libc.getenv(name.encode())
        if not address:
            raise KeyError(name)
        return cls(address, len(ctypes.string_at(address)))

    @classmethod
    def of_last_argument(cls) -> "Mark":
        """Find the last argument of the program, shown in /proc/<pid>/cmdline and by `ps`."""
        text = Path("/proc/self/stat").read_text()
        end = int(text[text.rindex(")") + 2 :].split()[_ARGUMENTS_END]) - 1
        room = len(sys.orig_argv[-1].encode())
        return cls(end - room, room)

    def write(self, text: str) -> None:
        """Show this text, cut or filled up with spaces."""
        ctypes.memmove(self._address, text.encode()[: self._room].ljust(self._room), self._room)


def _check(code: int, what: str) -> None:
    if code != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def enter_pid_namespace(let_go: Callable[[], None]) -> None:
    """Go on as pid 1 of a new pid namespace, in a child; this process lets go of what it has, and only waits for it. Raises OSError."""
    unshare(CLONE_NEWPID)
    child = os.fork()
    if child:
        let_go()
        _, status = os.waitpid(child, 0)
        os._exit(min(abs(os.waitstatus_to_exitcode(status)), 255))
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
