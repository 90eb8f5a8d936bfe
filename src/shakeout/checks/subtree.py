"""Fast looks into /proc for the leak check, which runs twice a test: children, parents, listeners.

`shakeout.process.procfs` reads every process and every socket of the machine; this reads a few.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from shakeout.process import procfs

DEAD = (b"Z", b"X", b"x", b"")
LISTEN_STATE = b"0A"
KERNEL_TELLS_CHILDREN = Path("/proc/thread-self/children").exists()
READ_BYTES_MAX = 1 << 16
ROW_BYTES = 150  # of /proc/net/tcp: one row a read, so that the kernel does not look for more


def children(pid: int) -> list[int]:
    """Living children of a process; none when it is gone."""
    if not KERNEL_TELLS_CHILDREN:
        return [one.pid for one in procfs.everyone() if one.parent == pid and one.alive]
    try:
        found = [
            int(child)
            for thread in os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - twice as fast as pathlib
            for child in _read(f"/proc/{pid}/task/{thread}/children").split()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [child for child in found if _state(child)[0] not in DEAD]


def parent(pid: int) -> int:
    """Parent of a process; 0 when the process is gone."""
    return int(_state(pid)[1])


def ancestors(pid: int) -> Iterator[int]:
    """Parent, grandparent and so on."""
    while (pid := parent(pid)) > 0:
        yield pid


def command_line(pid: int) -> bytes:
    """Words of the command, each ended by NUL; empty when the process is gone."""
    return _read(f"/proc/{pid}/cmdline")


def listening(pids: Iterable[int]) -> dict[int, dict[int, int]]:
    """Ports by the inode of each TCP socket that listens, for each of the processes."""
    table = dict(_listeners("tcp"))
    if not _no_ipv6():
        table |= dict(_listeners("tcp6"))
    return {
        pid: {inode: table[inode] for inode in _sockets(pid) if inode in table} for pid in pids
    }


def _listeners(protocol: str) -> Iterator[tuple[int, int]]:
    """Inode and port; the kernel tells listeners first, and then searches long for the others."""
    for row in _rows(f"/proc/net/{protocol}"):
        columns = row.split()
        if columns[0] != b"sl":
            if columns[3] != LISTEN_STATE:
                return
            yield int(columns[9]), int(columns[1].rpartition(b":")[2], 16)


def _rows(path: str) -> Iterator[bytes]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        rest = b""
        while data := os.read(descriptor, ROW_BYTES):
            *rows, rest = (rest + data).split(b"\n")
            yield from rows
    finally:
        os.close(descriptor)


def _no_ipv6() -> bool:
    """Whether no IPv6 TCP socket is in use: then there is nothing to search for."""
    return b"TCP6: inuse 0\n" in _read("/proc/net/sockstat6") + b"\n"


def _state(pid: int) -> tuple[bytes, bytes]:
    """State and parent of a process; without a state when it is gone."""
    columns = _read(f"/proc/{pid}/stat").rpartition(b") ")[2].split(None, 2)
    return (columns[0], columns[1]) if columns else (b"", b"0")


def _sockets(pid: int) -> set[int]:
    found = set()
    try:
        for descriptor in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - twice as fast as pathlib
            target = os.readlink(f"/proc/{pid}/fd/{descriptor}")  # noqa: PTH115 - the same
            if target.startswith("socket:["):
                found.add(int(target[8:-1]))
    except OSError:
        return found
    return found


def _read(path: str) -> bytes:
    """All of a small file; empty when it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, READ_BYTES_MAX)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
