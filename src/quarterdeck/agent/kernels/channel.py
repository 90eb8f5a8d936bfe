"""The control channel between agent and kernel: JSON messages behind a length of four bytes, on a stream socket.

The runner uses `send` and `receive`, which block; the agent feeds what arrives to a `Reader` and trusts nothing of it.
"""

import json
import socket
import struct
from collections.abc import Iterator
from typing import Any

TEXTS_BYTES_MAX = 2**21
"""Of all texts in a message of a kernel, as they are escaped."""

MESSAGE_BYTES_MAX = TEXTS_BYTES_MAX + 2**14
"""The largest message that an agent takes from a kernel."""

_LENGTH = struct.Struct(">I")


class ChannelBroken(Exception):
    """The other side speaks no sense or is gone."""


def frame(message: dict[str, Any]) -> bytes:
    """Return a message as it goes on the wire."""
    data = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
    return _LENGTH.pack(len(data)) + data


def send(channel: socket.socket, message: dict[str, Any]) -> None:
    """Send a message. Raises OSError."""
    channel.sendall(frame(message))


def receive(channel: socket.socket) -> dict[str, Any]:
    """Wait for a message. Raises `ChannelBroken` at the end of the stream, OSError."""
    (length,) = _LENGTH.unpack(_exactly(channel, _LENGTH.size))
    message: dict[str, Any] = json.loads(_exactly(channel, length))
    return message


class Reader:
    """Puts messages together from pieces as they arrive."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the messages that this piece completes, not parsed. Raises `ChannelBroken`."""
        self._buffer += piece
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > MESSAGE_BYTES_MAX:
                raise ChannelBroken(f"a message of {length} bytes")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            data = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield data


def _exactly(channel: socket.socket, size: int) -> bytes:
    pieces = bytearray()
    while len(pieces) < size:
        piece = channel.recv(min(size - len(pieces), 2**20))
        if not piece:
            raise ChannelBroken("the other side is gone")
        pieces += piece
    return bytes(pieces)
