"""A terminal in a session, in the SDK: bytes both ways; a connection that was left can be taken up again."""

import contextlib
from collections.abc import AsyncIterator

from quarterdeck.client.sockets import Socket
from quarterdeck.wire import decode, terminals
from quarterdeck.wire.terminals import Size


class Terminal:
    """One connection to a terminal: iterate over what it shows, beginning with what it showed last. `ended`: its shell is gone."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    @property
    def ended(self) -> bool:
        """Whether the shell has ended, as far as this connection knows."""
        return self._socket.end_code == terminals.ENDED

    async def type(self, data: bytes) -> None:
        """Type something."""
        await self._socket.send(data)

    async def resize(self, rows: int, columns: int) -> None:
        """Change the size of the screen."""
        await self._socket.send(decode.encode(Size(rows, columns)).decode())

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give what it shows, piece by piece, until the connection ends."""
        async with contextlib.aclosing(self._socket.messages()) as messages:
            async for message in messages:
                if isinstance(message, bytes):
                    yield message
