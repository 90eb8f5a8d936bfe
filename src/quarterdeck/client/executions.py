"""Runs in the SDK: following what code or a command does, answering it, interrupting it."""

import contextlib
from collections.abc import AsyncIterator

from quarterdeck.client import api
from quarterdeck.client.run_streams import Stream
from quarterdeck.client.transport_async import Transport
from quarterdeck.wire.executions import Execution

POLL_SECONDS = 20.0
"""How long one look waits for news; the manager allows 30."""


class Run:
    """A run in a session."""

    def __init__(
        self, transport: Transport, session: str, id_: str, kernel: str | None = None
    ) -> None:
        self._transport = transport
        self._session = session
        self._kernel = kernel
        self.id = id_

    async def look(self, offset: int = 0, *, wait: float = 0) -> Execution:
        """Return what has come of it from an offset on, as soon as that is something, or after so many seconds."""
        request = api.get_run(
            self._session, self.id, offset=offset, wait_seconds=wait, kernel=self._kernel
        )
        return await self._transport.call(request, Execution)

    async def follow(self, offset: int = 0) -> AsyncIterator[Execution]:
        """Give what comes of it from an offset on, piece by piece, until it has ended; questions come as pieces, once each."""
        asked = 0
        while True:
            seen = await self.look(offset, wait=POLL_SECONDS if not asked else 1.0)
            offset = seen.offset
            number = seen.question.number if seen.question else 0
            if seen.stdout or seen.stderr or seen.displays or number > asked or seen.finished:
                yield seen
            asked = number
            if seen.finished and seen.offset >= seen.written:
                return

    @contextlib.asynccontextmanager
    async def stream(self, offset: int = 0) -> AsyncIterator[Stream]:
        """Be connected to it for the time of a block: what it writes from an offset on comes as it is written.

        Raises `Refused`, `Unreachable`.
        """
        request = api.stream_run(self._session, self.id, offset=offset, kernel=self._kernel)
        async with self._transport.socket(request) as socket:
            yield Stream(socket, offset)

    async def reply(self, number: int, text: str | None) -> None:
        """Answer its question with this number: lines without the last one's end; None: there is no more input. Once more is fine."""
        await self._transport.raw(
            api.reply(self._session, self.id, number, text, kernel=self._kernel)
        )

    async def interrupt(self) -> None:
        """Interrupt it; nothing happens if it has ended."""
        await self._transport.raw(api.interrupt(self._session, self.id, self._kernel))
