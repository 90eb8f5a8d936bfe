"""The stream of a run, in the SDK: what it writes as it writes it, and answers and interrupts on the same connection."""

import contextlib
from collections.abc import AsyncIterator

from quarterdeck.client.errors import Refused
from quarterdeck.client.sockets import Socket
from quarterdeck.wire import decode, executions
from quarterdeck.wire.executions import Execution, Input, Said


class Stream:
    """One connection to a run: iterate over what comes of it. `ended`: that was all; else another goes on at `offset`."""

    def __init__(self, socket: Socket, offset: int) -> None:
        self._socket = socket
        self.offset = offset

    @property
    def ended(self) -> bool:
        """Whether all of the run has been told, as far as this connection knows."""
        return self._socket.end_code == executions.ENDED

    async def reply(self, number: int, text: str | None) -> None:
        """Answer its question with this number: lines without the last one's end; None: there is no more input."""
        await self._say(Said(reply=Input(number, text)))

    async def interrupt(self) -> None:
        """Interrupt it; nothing happens if it has ended."""
        await self._say(Said(interrupt=True))

    async def __aiter__(self) -> AsyncIterator[Execution]:
        """Give what comes, piece by piece, until the connection ends. Raises `Refused` for a reply that was not asked for."""
        async with contextlib.aclosing(self._socket.messages()) as messages:
            async for message in messages:
                if isinstance(message, str):
                    seen = decode.decode(Execution, message.encode())
                    self.offset = seen.offset
                    yield seen
        if self._socket.end_code == executions.NOT_WANTED:
            raise Refused(409, "input-not-wanted", "The run does not ask for this input")

    async def _say(self, said: Said) -> None:
        await self._socket.send(decode.encode(said).decode())
