"""Messages between a broker and those who lease, over one SEQPACKET connection for each lease: JSON and descriptors.

client -> broker   {"do": "lease", "version", "token", "system", "replicas", "durable", "private", "needs"}
                   {"do": "return", "version", "token", "members", "numbers"}
                   {"do": "status", "stop", or "retire" (stop if nobody uses it), "version", "token"}
broker -> client   {"did": token, "cluster": {...}} with the channels of the cluster's spawners, in order of its "kinds"
                   {"did": token, ...} or {"did": token, "error": text}

The lease ends with the connection, however that ends: unless the cluster was returned, all of it goes.
"""

import os
import socket
from pathlib import Path

from shakeout.process import directories
from shakeout.process import protocol as packets
from shakeout.process.protocol import Message

VERSION = 1
BACKLOG = 64
SOCKET_MODE = 0o600
ANSWER_SECONDS_MAX = 5.0
"""Of a broker that may be importing a system just now."""


def socket_path(run_directory: Path, key: str) -> Path:
    """Where the broker for some state of the code listens; the directory goes with it."""
    return run_directory / f"broker-{key}.sock"


def find(home: Path, key: str = "*") -> list[Path]:
    """Sockets of brokers, of those with that key; some may be dead."""
    return sorted(home.glob(f"{directories.PREFIX}*/broker-{key}.sock"))


def listen(path: Path) -> socket.socket:
    """Make the socket of a broker, for its own user only. Raises OSError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    try:
        before = os.umask(0o777 & ~SOCKET_MODE)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def connect(path: Path) -> socket.socket:
    """Connect to a broker of this user. Raises OSError, also when it is somebody else's."""
    end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        end.settimeout(ANSWER_SECONDS_MAX)
        end.connect(str(path))
        end.settimeout(None)
        if packets.peer(end)[1] != os.getuid():
            raise PermissionError(f"{path} is the socket of another user")
    except OSError:
        end.close()
        raise
    return end


def ask(path: Path, command: str) -> Message:
    """What a broker answers to a command; empty if it ends instead. Raises OSError when nobody answers in time."""
    with connect(path) as end:
        end.settimeout(ANSWER_SECONDS_MAX)
        packets.send(end, {"do": command, "token": 1, "version": VERSION})
        answered = packets.receive(end)
    return answered[0] if answered else {}
