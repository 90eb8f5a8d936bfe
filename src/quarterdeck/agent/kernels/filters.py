"""Which system calls a namespaced kernel may make: a BPF program for seccomp. Pure; used by `namespaces`.

Denied is what changes namespaces, mounts, the machine or other processes, the choice of cores, files that run as their owner (on disk that
is the agent's user), and sockets of families that no namespace holds (VSOCK). A denied call fails with EPERM; `clone3` and `openat2`
with ENOSYS, so that the C library uses `clone` and `openat`, whose arguments a filter can see.
"""

import errno
import socket
import struct
from collections.abc import Sequence

_LOAD, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_BITS, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND, _THIRD, _FOURTH = 0, 4, 16, 24, 32, 40
"""Offsets in what the program judges; of arguments the lower half."""

_ALLOW, _ERROR, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_CLONE_FLAGS = 0x7E028080
"""All CLONE_NEW... of `clone`, and CLONE_PARENT: a child of the zygote's would be out of sight of limits."""
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE, _IOCTL, _SOCKET, _CLONE3 = (
    {"x86_64": 56, "aarch64": 220},
    {"x86_64": 16, "aarch64": 29},
    {"x86_64": 41, "aarch64": 198},
    435,
)
_OPENAT2 = 437
_AS_OWNER = 0o6000
"""Mode bits of files that run as their owner or group."""
_CREATES = 0o100 | 0o20000000
"""O_CREAT, and what O_TMPFILE has beside O_DIRECTORY."""
_MODES = {  # where the mode of a call stands
    "x86_64": {
        90: _SECOND,
        91: _SECOND,
        268: _THIRD,
        452: _THIRD,
        85: _SECOND,
        133: _SECOND,
        259: _THIRD,
    },
    "aarch64": {52: _SECOND, 53: _THIRD, 452: _THIRD, 33: _THIRD},
}
"""chmod, fchmod, fchmodat, fchmodat2, creat, mknod, mknodat."""
_OPENS = {
    "x86_64": {2: (_SECOND, _THIRD), 257: (_THIRD, _FOURTH)},
    "aarch64": {56: (_THIRD, _FOURTH)},
}
"""open, openat: where flags and mode stand."""
_X32 = 0x40000000
_GROUP = 8
"""How many calls are looked for one after the other. When a program is installed the operating system runs it for every number that there is."""

_DENIED = {  # name: x86_64, aarch64
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "syslog": (103, 116),
    "lookup_dcookie": (212, 18),
    "vhangup": (153, 58),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "sched_setaffinity": (203, 122),
    "iopl": (172, 172),  # a number of the other's that is denied only where it is this one's
    "ioperm": (173, 173),
}
_DENIED_X86_ONLY = ("iopl", "ioperm")
_DENIED_EVERYWHERE = (
    *(425, 426, 427),  # io_uring
    *(428, 429, 430, 431, 432, 433, 442),  # open_tree, move_mount, fs..., mount_setattr
    438,  # pidfd_getfd
    443,  # quotactl_fd
)


def program(machine: str) -> bytes | None:
    """Return the program for a machine as uname names it, or None: its calls are not known here."""
    architecture = _ARCHITECTURES.get(machine)
    if architecture is None:
        return None
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_BITS, 0, 1, _X32),
        (_RETURN, 0, 0, _ERROR | errno.ENOSYS),
    ]
    verdicts = sorted(_verdicts(machine).items())
    for first in range(0, len(verdicts), _GROUP):
        steps += _group(verdicts[first : first + _GROUP])
    steps.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *step) for step in steps)


_Step = tuple[int, int, int, int]
"""Of BPF: code, how many to skip if true, if false, operand."""


def _verdicts(machine: str) -> dict[int, list[_Step]]:
    """Return the steps that judge a call, by its number; all others are allowed."""
    at = list(_ARCHITECTURES).index(machine)
    denied = {
        numbers[at] for name, numbers in _DENIED.items() if at == 0 or name not in _DENIED_X86_ONLY
    }
    verdicts = {number: [_refuse(errno.EPERM)] for number in (*denied, *_DENIED_EVERYWHERE)}
    verdicts |= {number: [_refuse(errno.ENOSYS)] for number in (_CLONE3, _OPENAT2)}
    verdicts[_CLONE[machine]] = _judge(_FIRST, [(_JUMP_BITS, 0, 1, _CLONE_FLAGS)])
    verdicts[_IOCTL[machine]] = _judge(
        _SECOND, [(_JUMP_EQUAL, 1, 0, _TIOCSTI), (_JUMP_EQUAL, 0, 1, _TIOCLINUX)]
    )
    for number, mode in _MODES[machine].items():
        verdicts[number] = _judge(mode, [(_JUMP_BITS, 0, 1, _AS_OWNER)])
    for number, (flags, mode) in _OPENS[machine].items():
        tests = [(_JUMP_BITS, 0, 3, _CREATES), (_LOAD, 0, 0, mode), (_JUMP_BITS, 0, 1, _AS_OWNER)]
        verdicts[number] = _judge(flags, tests)
    verdicts[_SOCKET[machine]] = _families()
    return verdicts


def _group(verdicts: Sequence[tuple[int, list[_Step]]]) -> list[_Step]:
    """Judge calls up to the last of these; greater numbers skip it all, so that few steps are taken for each call."""
    steps: list[_Step] = []
    for number, body in verdicts:
        steps += [(_JUMP_EQUAL, 0, len(body), number), *body]
    steps.append((_RETURN, 0, 0, _ALLOW))
    last, _ = verdicts[-1]
    return [(_JUMP_GREATER, len(steps), 0, last), *steps]


def _refuse(error: int) -> _Step:
    return (_RETURN, 0, 0, _ERROR | error)


def _judge(argument: int, tests: list[_Step]) -> list[_Step]:
    """Refuse a call if a test of an argument holds; the last test skips one step if it does not."""
    return [(_LOAD, 0, 0, argument), *tests, _refuse(errno.EPERM), (_RETURN, 0, 0, _ALLOW)]


def _families() -> list[_Step]:
    """Refuse sockets of families that are not listed."""
    known: list[_Step] = [
        (_JUMP_EQUAL, len(_FAMILIES) - at, 0, family) for at, family in enumerate(_FAMILIES)
    ]
    refuse = _refuse(errno.EAFNOSUPPORT)
    return [(_LOAD, 0, 0, _FIRST), *known, refuse, (_RETURN, 0, 0, _ALLOW)]
