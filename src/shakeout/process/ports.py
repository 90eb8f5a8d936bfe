"""Leases of loopback TCP ports, shared by all runs of a user on this machine.

A lease is a lock on one byte of one file, byte number = port number; the kernel drops it when the holder
dies. Ports below the ephemeral range are used, so that no outgoing connection takes one by chance; that a
port is really free (another user, an older program) is tried by binding it.
"""

import fcntl
import os
import socket
import struct
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from shakeout.process import errors

LOOPBACK = "127.0.0.1"
PORT_MIN = 20000
PORT_MAX = 31999
BACKLOG = 512
FILE = "ports"

_LOCK_LAYOUT = "hhqqi4x"  # struct flock: type, whence, start, length, pid


class PortLease:
    """One port that is ours until `release`, or until this process ends.

    Without a descriptor (-1) somebody else holds the lock for us.
    """

    def __init__(self, port: int, descriptor: int) -> None:
        self.port = port
        self._descriptor = descriptor

    def listen(self, backlog: int = BACKLOG) -> socket.socket:
        """Bind the port and listen; raises OSError when a stranger took it after all."""
        bound = _bind(self.port)
        bound.listen(backlog)
        return bound

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def __del__(self) -> None:
        if self._descriptor >= 0:
            warnings.warn(f"lease of port {self.port} was never released", ResourceWarning, 1)
            self.release()


def lease(home: Path) -> PortLease:
    """Lease a free port; `home` holds the file of locks. Raises NoFreePort."""
    for port in _candidates(int.from_bytes(os.urandom(4))):
        descriptor = _lock(home / FILE, port)
        if descriptor is None:
            continue
        if _is_free(port):
            return PortLease(port, descriptor)
        os.close(descriptor)
    raise errors.NoFreePort(f"no free port from {PORT_MIN} to {PORT_MAX}")


def lease_many(home: Path, count: int) -> tuple[PortLease, ...]:
    """Lease several ports, all or none. Raises NoFreePort."""
    leases: list[PortLease] = []
    try:
        leases.extend(lease(home) for _ in range(count))
    except errors.NoFreePort:
        release_all(leases)
        raise
    return tuple(leases)


def release_all(leases: Iterable[PortLease]) -> None:
    for each in leases:
        each.release()


def _candidates(seed: int) -> Iterator[int]:
    """Every port of the range once, from a place given by the seed."""
    count = PORT_MAX - PORT_MIN + 1
    for step in range(count):
        yield PORT_MIN + (seed + step) % count


def _lock(path: Path, port: int) -> int | None:
    """Lock the port's byte; returns the descriptor that holds the lock, None if another has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    wanted = struct.pack(_LOCK_LAYOUT, fcntl.F_WRLCK, os.SEEK_SET, port, 1, 0)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wanted)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _is_free(port: int) -> bool:
    try:
        _bind(port).close()
    except OSError:
        return False
    return True


def _bind(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((LOOPBACK, port))
    except OSError:
        bound.close()
        raise
    return bound
