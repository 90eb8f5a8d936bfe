"""Messages between the runner, the reaper and the spawners: JSON and descriptors over a SEQPACKET pair.

Standard library only: it is loaded by the reaper and the spawners. A message is one packet, so it
arrives whole or not at all, and the end of either side is seen by the other at once, however it died.

runner -> spawner   {"do": "spawn", "token", "child", "name", "argv", "call", "args", "environment",
                     "directory", "log", "listen"}             with the sockets to pass on
                    {"do": "nest", "token", "child", "name"}   with the new spawner's channel
                    {"do": "preload", "token", "modules", "path"}
                    {"do": "signal", "token", "child", "signal"}
spawner -> runner   {"did": token, ...} or {"did": token, "error": {...}}
                    {"ended": child, "status": wait status}
reaper -> runner    {"ready": directory} or {"error": text}
                    {"lost": "spawner", "said": what it printed}

A token links a reply to its request; a child is a number that the runner gives, since a pid is known
only afterwards and may come again.
"""

import array
import json
import socket
import struct
from typing import Any

MESSAGE_BYTES_MAX = 1 << 18
DESCRIPTORS_MAX = 40

Message = dict[str, Any]

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


def pair() -> tuple[socket.socket, socket.socket]:
    """Make both ends of a channel."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def peer(end: socket.socket) -> tuple[int, int]:
    """Pid and uid of whoever made the other end of a connection through a Unix socket."""
    told = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(told)
    return pid, uid


def send(
    channel: socket.socket, message: Message, descriptors: tuple[int, ...] = (), flags: int = 0
) -> None:
    """Send one message; raises OSError when the other side is gone or (DONTWAIT) the channel full."""
    packet = json.dumps(message, separators=(",", ":")).encode()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
    channel.sendmsg([packet], rights if descriptors else [], flags | socket.MSG_NOSIGNAL)


def receive(channel: socket.socket, flags: int = 0) -> tuple[Message, tuple[int, ...]] | None:
    """Receive one message and its descriptors (closed on exec); None when the other side is gone."""
    room = socket.CMSG_SPACE(DESCRIPTORS_MAX * array.array("i").itemsize)
    try:
        packet, rights, received_flags, _ = channel.recvmsg(
            MESSAGE_BYTES_MAX, room, flags | socket.MSG_CMSG_CLOEXEC
        )
    except ConnectionResetError:
        return None
    if not packet:
        return None
    if received_flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        raise OSError(f"message of more than {MESSAGE_BYTES_MAX} bytes or too many descriptors")
    return json.loads(packet), _descriptors(rights)


def _descriptors(rights: list[tuple[int, int, bytes]]) -> tuple[int, ...]:
    numbers = array.array("i")
    for level, kind, data in rights:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
    return tuple(numbers)
