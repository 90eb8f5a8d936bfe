"""The control channel between agent and kernel: JSON messages on a socket that keeps the borders of packets (SOCK_SEQPACKET).

A message is one packet or several; the first byte of each says whether it is the first, the last. So whoever takes a channel over in
the middle of a message, an agent after one that was killed, finds the next one.
The runner uses `send` and `receive`, which block; the agent feeds what arrives to a `Reader` and trusts nothing of it.
"""

import json
import socket
from typing import Any

TEXTS_BYTES_MAX = 2**21
"""Of all texts in a message of a kernel, as they are escaped."""

MESSAGE_BYTES_MAX = TEXTS_BYTES_MAX + 2**14
"""The largest message that an agent takes from a kernel."""

PACKET_BYTES_MAX = 2**16
"""Of a packet, its first byte included."""

_FIRST, _LAST = 1, 2
_PIECE_BYTES_MAX = PACKET_BYTES_MAX - 1


class ChannelBroken(Exception):
    """The other side speaks no sense or is gone."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a new channel. Raises OSError."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def packets(message: dict[str, Any]) -> list[bytes]:
    """Return a message as it goes on the wire."""
    data = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
    if len(data) <= _PIECE_BYTES_MAX:
        return [bytes((_FIRST | _LAST,)) + data]
    starts = range(0, len(data), _PIECE_BYTES_MAX)
    return [bytes((_kind(at, len(data)),)) + data[at : at + _PIECE_BYTES_MAX] for at in starts]


def send(channel: socket.socket, message: dict[str, Any]) -> None:
    """Send a message. Raises OSError."""
    for packet in packets(message):
        channel.sendall(packet)


def receive(channel: socket.socket) -> dict[str, Any]:
    """Wait for a message. Raises `ChannelBroken` at the end of the stream, OSError."""
    reader = Reader(bytes_max=None)
    while True:
        packet = channel.recv(PACKET_BYTES_MAX)
        if not packet:
            raise ChannelBroken("the other side is gone")
        data = reader.feed(packet)
        if data is not None:
            message: dict[str, Any] = json.loads(data)
            return message


class Reader:
    """Puts messages together from packets as they arrive; what comes before a first packet is the rest of one that nobody needs."""

    def __init__(self, bytes_max: int | None = MESSAGE_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._buffer = bytearray()
        self._begun = False

    def feed(self, packet: bytes) -> bytes | None:
        """Return the message that this packet completes, not parsed. Raises `ChannelBroken`."""
        kind = packet[0]
        if kind & _FIRST:
            self._buffer.clear()
            self._begun = True
        if not self._begun:
            return None
        self._buffer += memoryview(packet)[1:]
        if self._bytes_max is not None and len(self._buffer) > self._bytes_max:
            raise ChannelBroken(f"a message of more than {self._bytes_max} bytes")
        if not kind & _LAST:
            return None
        self._begun = False
        data = bytes(self._buffer)
        self._buffer.clear()
        return data


def _kind(at: int, size: int) -> int:
    return (_FIRST if at == 0 else 0) | (_LAST if at + _PIECE_BYTES_MAX >= size else 0)
