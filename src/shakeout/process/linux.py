"""The few system calls that Python has no name for, and a fork that is safe to call from anywhere.

Standard library only; Linux only.
"""

import ctypes
import os
import signal
import struct
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
IPC_RMID = 0
AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
STATX_BTIME = 0x800
STATX_BYTES = 256
STATX_BTIME_OFFSET = 80
IN_MODIFY = 0x002
IN_CREATE = 0x100
COMM_BYTES_MAX = 15
CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
MS_RDONLY = 0x1
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_SLAVE = 0x80000
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def fork(run: Callable[[], object]) -> int:
    """Fork a child that calls the function and ends, whatever happens in it; returns its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            run()
            os._exit(0)
        except BaseException:  # noqa: BLE001 (nothing may go up into what the parent was doing)
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(1)
    return pid


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies (PR_SET_CHILD_SUBREAPER)."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Have this process killed when `parent` dies, also when it has died already."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def name_process(name: str) -> None:
    """Set the name that ps shows; only its first 15 bytes are kept."""
    _prctl(PR_SET_NAME, ctypes.c_char_p(name.encode()[:COMM_BYTES_MAX]))


def remove_segment(identifier: int) -> None:
    """Remove a System V shared memory segment; raises OSError."""
    if _libc.shmctl(identifier, IPC_RMID, None) != 0:
        _raise("shmctl")


def born_ns(path: str) -> int | None:
    """When a file was made, in nanoseconds since 1970; None if it is gone or nobody knows."""
    statx = getattr(_libc, "statx", None)  # musl has it since 1.2.3
    found = ctypes.create_string_buffer(STATX_BYTES)
    where = (AT_FDCWD, os.fsencode(path), AT_SYMLINK_NOFOLLOW, STATX_BTIME)
    if statx is None or statx(*where, found) != 0:
        return None
    (known,) = struct.unpack_from("=I", found)
    seconds, nanoseconds = struct.unpack_from("=qI", found, STATX_BTIME_OFFSET)
    return seconds * 1_000_000_000 + nanoseconds if known & STATX_BTIME else None


def watch(directory: str, events: int) -> int:
    """Make a descriptor that becomes readable when such an event happens in a directory (inotify).

    Raises OSError, also when the user has too many of them.
    """
    descriptor = int(_libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
    if descriptor < 0:
        _raise("inotify_init1")
    if _libc.inotify_add_watch(descriptor, os.fsencode(directory), events) < 0:
        os.close(descriptor)
        _raise("inotify_add_watch")
    return descriptor


def unshare(flags: int) -> None:
    """Move this process, which has one thread, into new namespaces; raises OSError."""
    if _libc.unshare(ctypes.c_int(flags)) != 0:
        _raise("unshare")


def join(pid: int) -> None:
    """Move this process, which has one thread, into the user and mount namespace of another; raises OSError."""
    held = [
        os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in ("user", "mnt")
    ]
    for descriptor, kind in zip(held, (CLONE_NEWUSER, CLONE_NEWNS), strict=True):
        if _libc.setns(ctypes.c_int(descriptor), ctypes.c_int(kind)) != 0:
            _raise("setns")
        os.close(descriptor)


def mount(source: str, target: str, kind: str, flags: int, *, options: str = "") -> None:
    """mount(2) in this mount namespace; raises OSError."""
    words = (os.fsencode(each) if each else None for each in (source, target, kind))
    if _libc.mount(*words, ctypes.c_ulong(flags), os.fsencode(options) or None) != 0:
        _raise(f"mount {target}")


def unmount(target: str) -> None:
    """Take off what was mounted last, as soon as nobody uses it any more; raises OSError."""
    if _libc.umount2(os.fsencode(target), MNT_DETACH) != 0:
        _raise(f"umount {target}")


def _prctl(option: int, value: int | ctypes.c_char_p) -> None:
    argument = value if isinstance(value, ctypes.c_char_p) else ctypes.c_ulong(value)
    if _libc.prctl(option, argument, ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        _raise("prctl")


def _raise(call: str) -> None:
    number = ctypes.get_errno()
    raise OSError(number, f"{call}: {os.strerror(number)}")
