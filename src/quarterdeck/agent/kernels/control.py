"""The agent's end of a kernel's control channel, on asyncio: sends without waiting, gives messages as they come. Used by `process`."""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from quarterdeck.agent.kernels import channel

OUTGOING_PACKETS_MAX = 1024
"""How much may wait for a kernel to read it, when one message more comes."""


class Control:
    """`take` gets each message and may raise `channel.ChannelBroken`; `broken` hears of that, once."""

    def __init__(
        self,
        end: socket.socket,
        take: Callable[[bytes], None],
        broken: Callable[[channel.ChannelBroken], None],
    ) -> None:
        self._socket = end
        self._take = take
        self._broken = broken
        self._loop = asyncio.get_running_loop()
        self._reader = channel.Reader()
        self._refused = False
        self._heard = 0
        self._outgoing: deque[bytes] = deque()
        self._listens = True
        self._waits = False
        os.set_blocking(end.fileno(), False)
        self._loop.add_reader(end, self._read)

    def send(self, message: dict[str, Any]) -> None:
        """Send a message, now or when the kernel takes it. To one that is gone nothing is sent: its end is told by the zygote."""
        if len(self._outgoing) > OUTGOING_PACKETS_MAX:
            self._refuse(channel.ChannelBroken("it does not read the answers"))
            return
        self._outgoing.extend(channel.packets(message))
        self._flush()

    def close(self, *, read: bool) -> None:
        """Close the channel; with `read` what a kernel that has ended said before is taken: its end may be heard of first."""
        before = -1
        while read and self._heard != before and not self._refused:
            before = self._heard
            self._read()
        self.ignore()
        self._wait_to_send(wait=False)
        self._socket.close()

    def ignore(self) -> None:
        """Take nothing of what is said, until it is closed."""
        if self._listens:
            self._listens = False
            self._loop.remove_reader(self._socket)

    def _refuse(self, error: channel.ChannelBroken) -> None:
        """Hear no more of one that breaks the rules."""
        self.ignore()
        if not self._refused:
            self._refused = True
            self._broken(error)

    def _flush(self) -> None:
        while self._outgoing:
            try:
                self._socket.send(self._outgoing[0])
            except BlockingIOError:
                self._wait_to_send(wait=True)
                return
            except OSError:  # nobody listens any more: the end of the process is what tells why
                self._outgoing.clear()
                break
            self._outgoing.popleft()
        self._wait_to_send(wait=False)

    def _wait_to_send(self, *, wait: bool) -> None:
        """Go on with `_flush` when the kernel has read something, or do not. Each call of the loop for it costs more than to send a message."""
        if wait and not self._waits:
            self._loop.add_writer(self._socket, self._flush)
        elif self._waits and not wait:
            self._loop.remove_writer(self._socket)
        self._waits = wait

    def _read(self) -> None:
        try:
            packet = self._socket.recv(channel.PACKET_BYTES_MAX)
            if not packet:  # its end is told by the zygote
                self.ignore()
                return
            self._heard += 1
            data = self._reader.feed(packet)
            if data is not None:
                self._take(data)
        except ConnectionResetError:
            self._heard += 1  # told once, before what was said: not all was read there
        except (BlockingIOError, ConnectionError):
            return
        except channel.ChannelBroken as error:
            self._refuse(error)
