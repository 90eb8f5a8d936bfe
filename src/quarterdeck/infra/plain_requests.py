"""Connections that look at a plain small request as it comes in, before aiohttp makes a task, a request and a response of it.

The connection and its parser are aiohttp's own, and so is the way of every other request: HTTP is read once, each refusal has one place.
While an answer is made, aiohttp's handler waits on as if its request had not come: what comes meanwhile is queued, and a server that stops
waits for it. Who answers is said by `prompt_answers` (files at hand) and `calls` (handlers).
"""

import asyncio
from typing import Any

from aiohttp import EMPTY_PAYLOAD, StreamReader, web
from aiohttp.http import HttpVersion11, RawRequestMessage

from quarterdeck.infra import http_problems
from quarterdeck.infra.answers import Answer

HEADERS = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"authorization",
        b"connection",
        b"content-length",
        b"content-type",
        b"host",
        b"user-agent",
        b"x-request-id",
    }
)
"""What nearly every client says, and no answer depends on, but for who asks and in which language."""

BODY_BYTES_MAX = 64 * 1024


class Connection(http_problems.Protocol):
    """A connection that looks at a request itself where it has nothing else to do. Subclasses say who answers."""

    def __init__(
        self,
        manager: web.Server,
        *,
        methods: frozenset[str],
        headers: frozenset[bytes],
        **options: Any,
    ) -> None:
        super().__init__(manager, **options)
        self._held: asyncio.Future[None] | None = None
        self._methods = methods
        self._headers = headers

    def take(self, message: RawRequestMessage, body: bytes) -> bool | None:
        """Begin to answer a request. True: it has been answered; False: that is aiohttp's affair; None: whoever does it calls `end` afterwards."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        """Take in what came; aiohttp's handler, if it waits for a request, hears of one unless it is answered here."""
        waiter = self._waiter
        if waiter is None or waiter.done():
            super().data_received(data)
            return
        self._waiter = None
        try:
            super().data_received(data)
        except BaseException:
            self._waiter = waiter
            raise
        self._held = waiter
        if not self._messages or not self._is_held():
            self.end()

    def write(self, answer: Answer, trace: str) -> None:
        """Send an answer; then the connection waits for its next request as after every other one."""
        if self.transport is None or self._parser is None or self._manager is None:
            return  # the client has gone
        self.transport.write(answer.written(trace))
        self._parser.message_consumed()
        self._manager.requests_count += 1
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(
                self._next_keepalive_close_time, self._process_keepalive
            )

    def leave(self, message: RawRequestMessage, body: bytes) -> None:
        """Leave a request to aiohttp's handler, as it came."""
        payload = EMPTY_PAYLOAD
        if body:
            payload = StreamReader(self, BODY_BYTES_MAX, loop=self._loop)
            payload.feed_data(body)
            payload.feed_eof()
        self._messages.appendleft((message, payload))

    def end(self) -> None:
        """Let aiohttp's handler go on: with what there is, with waiting, or to its end."""
        waiter, self._held = self._held, None
        if waiter is None or waiter.done():
            return  # the server waits no longer
        if self._messages:
            # The parser had counted this request, too: it may hold back more than aiohttp would ask for.
            super().data_received(b"")
        self._waiter = waiter
        if self._close or self._force_close:
            waiter.cancel()
        elif self._messages:
            waiter.set_result(None)

    def _is_held(self) -> bool:
        """Have a request answered if that can be; tell whether the answer is still made, and aiohttp's handler has to wait for its end."""
        transport = self.transport
        if len(self._messages) > 1 or transport is None or transport.get_write_buffer_size():
            return False
        message, payload = self._messages[0]
        if not isinstance(message, RawRequestMessage) or not self._is_plain(message, payload):
            return False
        self._messages.clear()
        body = payload.read_nowait()
        taken = self.take(message, body)
        if taken is False:
            self.leave(message, body)
        return taken is None

    def _is_plain(self, message: RawRequestMessage, payload: StreamReader) -> bool:
        """Tell whether this is a whole request that says nothing by which it could be answered in another way."""
        return (
            message.method in self._methods
            and message.version == HttpVersion11
            and not message.should_close
            and {name.lower() for name, _ in message.raw_headers} <= self._headers
            and payload.is_eof()
            and payload.total_bytes <= BODY_BYTES_MAX
            and not http_problems.is_each_logged()
        )
