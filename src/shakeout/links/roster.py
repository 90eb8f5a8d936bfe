"""Who connects: the member to whose processes the other end of a connection belongs.

A Unix socket knows the process that connected. A TCP socket is looked up by its inode, which the kernel tells by
netlink, among the descriptors of the members' processes. Descendants of a member belong to it, orphans, too.
"""

import os
import socket
import struct
from pathlib import Path

from shakeout.process import procfs, protocol

STRANGER = "test"
"""The source of connections of processes that belong to no member."""
STEPS_MAX = 64

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_NLMSG_ERROR = 2
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBBI")
_SOCKET = struct.Struct("!HH16s16s")
_ANY_COOKIE = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
_EVERY_STATE = 0xFFFFFFFF
_INODE_OFFSET = _HEADER.size + 4 + _SOCKET.size + len(_ANY_COOKIE) + 16
_ANSWER_BYTES_MAX = 8192


class Roster:
    """The processes of all members, as far as they have been told."""

    def __init__(self) -> None:
        self.stranger = 0
        """Pid of the test process, which connects most often of those that are no members."""
        self._members: dict[int, str] = {}
        self._starting: set[str] = set()

    @property
    def complete(self) -> bool:
        """Whether no member is just being started, whose pid would be told soon."""
        return not self._starting

    def starting(self, member: str) -> None:
        """Its process is about to start; a connection of a stranger may be its first."""
        self._starting.add(member)

    def started(self, member: str, pid: int) -> None:
        """It has; pid 0 when it has not, after all."""
        self._starting.discard(member)
        if pid:  # those of earlier starts stay known: they may have left orphans
            self._members[pid] = member

    def whose(self, end: socket.socket) -> str:
        """The member behind an accepted connection; empty if it is of nobody known."""
        if end.family == socket.AF_UNIX:
            return self.of_process(protocol.peer(end)[0])
        inode = _inode(end)
        return self._holder(inode) if inode else STRANGER

    def of_process(self, pid: int) -> str:
        """The member to which a process belongs; empty if to none that is known.

        The harness is a descendant of the test process: only that process itself is known to be a stranger.
        """
        if pid == self.stranger:
            return STRANGER
        for _ in range(STEPS_MAX):
            if pid in self._members:
                return self._members[pid]
            found = procfs.stat(pid)
            if found is None or pid <= 1:
                return ""
            if found.session in self._members:
                return self._members[found.session]
            pid = found.parent
        return ""

    def _holder(self, inode: int) -> str:
        """The member that has this socket open: first their own processes, then what these started."""
        for pid in (self.stranger, *self._members):
            if _holds(pid, inode):
                return self._members.get(pid, STRANGER)
        for pid in self._members:
            for below in procfs.tree(pid):
                if _holds(below, inode):
                    return self.of_process(below)
        orphans = [one.pid for one in procfs.everyone() if one.session in self._members]
        return next((self.of_process(one) for one in orphans if _holds(one, inode)), "")


def _holds(pid: int, inode: int) -> bool:
    wanted = f"socket:[{inode}]"
    directory = f"/proc/{pid}/fd"
    try:
        return any(_leads_to(f"{directory}/{one}", wanted) for one in os.listdir(directory))  # noqa: PTH208 - a Path for each descriptor costs more than the look
    except OSError:
        return False


def _leads_to(path: str, wanted: str) -> bool:
    try:
        return os.readlink(path) == wanted  # noqa: PTH115 - as above
    except OSError:
        return False


def _inode(end: socket.socket) -> int:
    """Inode of the socket at the other end of an accepted connection; 0 when it is closed already."""
    try:
        (host, port), (own_host, own_port) = end.getpeername(), end.getsockname()
    except OSError:
        return 0
    try:
        return _ask_kernel((host, port), (own_host, own_port))
    except OSError:  # some sandboxes have no such netlink
        table = Path("/proc/net/tcp").read_text()
        return inode_in(table, f"{_hexadecimal(host, port)} {_hexadecimal(own_host, own_port)}")


def inode_in(table: str, ends: str) -> int:
    """Inode of the socket with these ends in /proc/net/tcp; 0 if it is not there. Pure."""
    rows = (line.split() for line in table.splitlines()[1:])
    return next((int(row[9]) for row in rows if f"{row[1]} {row[2]}" == ends), 0)


def _hexadecimal(host: str, port: int) -> str:
    (number,) = struct.unpack("=I", socket.inet_aton(host))
    return f"{number:08X}:{port:04X}"


def _ask_kernel(theirs: tuple[str, int], ours: tuple[str, int]) -> int:
    """The same by one question to the kernel. Raises OSError."""
    hosts = (socket.inet_aton(theirs[0]), socket.inet_aton(ours[0]))
    asked = _SOCKET.pack(theirs[1], ours[1], *hosts) + _ANY_COOKIE
    body = _REQUEST.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _EVERY_STATE) + asked
    head = _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.send(head + body)
        answer = kernel.recv(_ANSWER_BYTES_MAX)
    if _HEADER.unpack_from(answer)[1] == _NLMSG_ERROR:
        return 0
    (inode,) = struct.unpack_from("=I", answer, _INODE_OFFSET)
    return int(inode)
