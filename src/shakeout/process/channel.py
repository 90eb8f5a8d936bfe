"""The runner's end of a channel to the reaper or a spawner, on the runner's event loop.

No task runs here: replies and news are read when the loop finds the socket readable, and wait in it
while the loop does not run.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Sequence

from shakeout.process import protocol
from shakeout.process.protocol import Message


class ChannelLost(Exception):
    """The other side is gone."""


class Channel:
    """Requests and their replies; whatever else arrives goes to `hear`.

    `lose` is called once when the other side is gone, unless this side closed first. Descriptors that come
    with a message are its item "descriptors". `tokens` is the last token that earlier holders of this end used.
    """

    def __init__(
        self,
        end: socket.socket,
        hear: Callable[[Message], None],
        lose: Callable[[], None],
        tokens: int = 0,
    ) -> None:
        self._end = end
        self._hear = hear
        self._lose = lose
        self._loop = asyncio.get_running_loop()
        self._replies: dict[int, asyncio.Future[Message]] = {}
        self.tokens = tokens
        self._writable: asyncio.Future[Message] | None = None
        self._sending = asyncio.Lock()
        self.open = True
        self._loop.add_reader(end.fileno(), self._read)

    async def ask(self, message: Message, descriptors: Sequence[int] = ()) -> Message:
        """Send a request and wait for its reply. Raises ChannelLost."""
        return await (await self.post(message, descriptors))

    async def post(
        self, message: Message, descriptors: Sequence[int] = ()
    ) -> asyncio.Future[Message]:
        """Send a request and return as soon as it is sent. Raises ChannelLost, as the reply may."""
        self.tokens += 1
        token = self.tokens
        reply = self._replies[token] = self._loop.create_future()
        try:
            await self._send(message | {"token": token}, tuple(descriptors))
        except BaseException:
            self._replies.pop(token, None)
            raise
        return reply

    async def answer(
        self, question: Message, answer: Message, descriptors: Sequence[int] = ()
    ) -> None:
        """Reply to a request that was heard. Raises ChannelLost."""
        await self._send(answer | {"did": question["token"]}, tuple(descriptors))

    def cast(self, message: Message) -> None:
        """Send a request whose reply nobody wants; lost when the channel is full or gone."""
        if self.open:
            with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                protocol.send(self._end, message | {"token": 0}, flags=socket.MSG_DONTWAIT)

    def hang_up(self) -> None:
        """Tell the other side that it is over; `lose` is called once it has gone."""
        if self.open:
            self._end.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close this side at once; requests without a reply end in ChannelLost."""
        if self.open:
            self.let_go().close()

    def let_go(self) -> socket.socket:
        """Give this end away, with whatever waits in it; requests without a reply end in ChannelLost."""
        if not self.open:
            raise ChannelLost
        self.open = False
        self._loop.remove_reader(self._end.fileno())
        self._loop.remove_writer(self._end.fileno())
        for waiting in (self._writable, *self._replies.values()):
            if waiting is not None and not waiting.done():
                waiting.set_exception(ChannelLost())
        self._replies.clear()
        return self._end

    async def _send(self, message: Message, descriptors: tuple[int, ...]) -> None:
        async with self._sending:
            while self.open:
                try:
                    protocol.send(self._end, message, descriptors, flags=socket.MSG_DONTWAIT)
                except BlockingIOError:
                    await self._until_writable()
                except (BrokenPipeError, ConnectionResetError) as error:
                    raise ChannelLost from error
                else:
                    return
        raise ChannelLost

    async def _until_writable(self) -> None:
        self._writable = ready = self._loop.create_future()
        self._loop.add_writer(self._end.fileno(), _resolve, ready, {})
        try:
            await ready
        finally:
            self._writable = None
            if self.open:
                self._loop.remove_writer(self._end.fileno())

    def _read(self) -> None:
        while self.open:
            try:
                received = protocol.receive(self._end, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except ValueError:  # no message: whoever sends that is as good as gone
                received = None
            if received is None or not isinstance(received[0], dict):
                self.close()
                self._lose()
            else:
                message, descriptors = received
                self._take(message | ({"descriptors": descriptors} if descriptors else {}))

    def _take(self, message: Message) -> None:
        if "did" not in message:
            self._hear(message)
            return
        reply = self._replies.pop(message["did"], None)
        if reply is not None and not reply.done():
            reply.set_result(message)
        else:  # whoever asked has gone
            for descriptor in message.get("descriptors", ()):
                os.close(descriptor)


def _resolve(future: asyncio.Future[Message], message: Message) -> None:
    if not future.done():
        future.set_result(message)
