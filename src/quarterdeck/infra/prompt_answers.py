"""Small requests that are answered as they come in, before aiohttp makes a task, a request and a response of them.

The connection and its parser are aiohttp's own, and so is the way of every other request: HTTP is read once, each refusal has one place.
While an answer is made elsewhere, aiohttp's handler waits on as if its request had not come: what comes meanwhile is queued, and a server
that stops waits for it. For `http_server`.
"""

import asyncio
import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

from aiohttp import EMPTY_PAYLOAD, StreamReader, web
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import HttpVersion11, RawRequestMessage

from quarterdeck.infra import http_problems

PLAIN_HEADERS = frozenset(
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
"""What nearly every client says, and no answer depends on, but for who asks."""

_METHODS = frozenset({"GET", "PUT"})
_BODY_BYTES_MAX = 64 * 1024

_A = TypeVar("_A")
_B = TypeVar("_B")
_log = logging.getLogger(__name__)


class Asked(NamedTuple):
    """A request that is there as a whole."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Content(NamedTuple):
    """What there is to answer: 200 with these headers, of characters that a header may have, and this body."""

    headers: Mapping[str, str]
    body: bytes


class Later(NamedTuple):
    """Something that is done elsewhere, and how its result is told. If it fails, the routes are asked, and do it again."""

    done: asyncio.Future[Any]
    told: Callable[[Any], Content]


class Prompt(Protocol):
    """Answers what can be answered without waiting, exactly as the routes would."""

    @property
    def headers(self) -> frozenset[bytes]:
        """Names of the headers that a request may have to be asked for here, in lower case."""
        ...

    def answer(self, asked: Asked) -> Content | Later | None:
        """Return the answer; None leaves it to the routes."""
        ...


class Connection(http_problems.Protocol):
    """A connection that asks `prompt` first, where it has nothing else to do."""

    def __init__(self, manager: web.Server, *, prompt: Prompt, **options: Any) -> None:
        super().__init__(manager, **options)
        self._prompt = prompt

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
        if not self._messages or not self._is_held(waiter):
            self._hand_on(waiter)

    def _is_held(self, waiter: asyncio.Future[None]) -> bool:
        """Answer a request if that can be; tell whether the answer is still made, and aiohttp's handler has to wait for its end."""
        transport = self.transport
        if len(self._messages) > 1 or transport is None or transport.get_write_buffer_size():
            return False
        message, payload = self._messages[0]
        if not isinstance(message, RawRequestMessage) or not self._is_plain(message, payload):
            return False
        self._messages.clear()
        body = payload.read_nowait()
        answer = _attempted(
            self._prompt.answer, Asked(message.method, message.path, message.headers, body)
        )
        if isinstance(answer, Later):
            answer.done.add_done_callback(
                functools.partial(self._end, waiter, (message, body), answer.told)
            )
            return True
        if answer is None:
            self._leave(message, body)
            return False
        self._write(message, answer)
        return False

    def _is_plain(self, message: RawRequestMessage, payload: StreamReader) -> bool:
        """Tell whether this is a whole request that says nothing by which it could be answered in another way."""
        return (
            message.method in _METHODS
            and message.version == HttpVersion11
            and not message.should_close
            and {name.lower() for name, _ in message.raw_headers} <= self._prompt.headers
            and payload.is_eof()
            and payload.total_bytes <= _BODY_BYTES_MAX
            and not http_problems.is_each_logged()
        )

    def _end(
        self,
        waiter: asyncio.Future[None],
        request: tuple[RawRequestMessage, bytes],
        told: Callable[[Any], Content],
        done: asyncio.Future[Any],
    ) -> None:
        """Answer by what was done elsewhere, and go on with the connection as it is by now."""
        content = None if done.cancelled() or done.exception() else _attempted(told, done.result())
        if content is None:
            self._leave(*request)
        else:
            self._write(request[0], content)
        self._hand_on(waiter)

    def _leave(self, message: RawRequestMessage, body: bytes) -> None:
        """Leave a request to aiohttp's handler, as it came."""
        payload = EMPTY_PAYLOAD
        if body:
            payload = StreamReader(self, _BODY_BYTES_MAX, loop=self._loop)
            payload.feed_data(body)
            payload.feed_eof()
        self._messages.appendleft((message, payload))

    def _hand_on(self, waiter: asyncio.Future[None]) -> None:
        """Let aiohttp's handler go on: with what there is, with waiting, or to its end."""
        self._waiter = waiter
        if self._close or self._force_close:
            waiter.cancel()
        elif self._messages:
            waiter.set_result(None)

    def _write(self, message: RawRequestMessage, content: Content) -> None:
        """Send an answer; then the connection waits for its next request as after every other one."""
        if self.transport is None or self._parser is None or self._manager is None:
            return  # the client has gone
        self.transport.write(_written(message, content))
        self._parser.message_consumed()
        self._manager.requests_count += 1
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(
                self._next_keepalive_close_time, self._process_keepalive
            )


def _attempted(tell: Callable[[_A], _B], what: _A) -> _B | None:
    try:
        return tell(what)
    except Exception as error:  # noqa: BLE001 - supervisor: a mistake there costs time, not the answer
        _log.error("no-prompt-answer", exc_info=error)
        return None


def _written(message: RawRequestMessage, content: Content) -> bytes:
    """Return an answer as bytes, its headers in the order that aiohttp gives them."""
    lines = [f"{name}: {value}\r\n" for name, value in content.headers.items()]
    head = (
        f"HTTP/1.1 200 OK\r\n{''.join(lines)}Content-Length: {len(content.body)}\r\n"
        f"Date: {rfc822_formatted_time()}\r\nServer: {http_problems.SERVER}\r\n"
        f"X-Request-Id: {http_problems.trace_of(message.headers)}\r\n\r\n"
    )
    return head.encode() + content.body
