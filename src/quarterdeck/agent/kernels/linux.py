"""System calls that Python 3.11 lacks, by ctypes: unshare, setns, mount, prctl, capset. Each raises OSError. Used by `namespaces`, `zygote`."""

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

_CAPABILITY_VERSION_3 = 0x20080522
_ARGUMENTS_END = 46  # field 49 of /proc/<pid>/stat, counted from the third

_libc = ctypes.CDLL(None, use_errno=True)
_libc.getenv.restype = ctypes.c_void_p
_libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
_libc.mount.argtypes = [*[ctypes.c_char_p] * 3, ctypes.c_ulong, ctypes.c_char_p]


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags` for new ones."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def setns(descriptor: int, kind: int) -> None:
    """Enter the namespace that a descriptor of /proc/<pid>/ns stands for."""
    _check(_libc.setns(ctypes.c_int(descriptor), ctypes.c_int(kind)), "setns")


def mount(source: str, target: str, kind: str | None, flags: int) -> None:
    """Mount, bind or remount."""
    code = _libc.mount(
        os.fsencode(source), os.fsencode(target), kind.encode() if kind else None, flags, None
    )
    _check(code, target)


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process that takes one number."""
    _check(_libc.prctl(option, value, 0, 0, 0), "prctl")


def set_name(name: str) -> None:
    """Name this process, as `ps -o comm` shows it: at most 15 bytes."""
    Path("/proc/self/comm").write_text(name)


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
