"""Server-sent events as a client sees them, without input or output: a parser that is fed piece by piece, and following that comes back.

`transport` and `transport_async` do the rest: they ask with `Following.request`, feed what arrives, and come back after `Following.come_back`.
"""

import contextlib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from quarterdeck.client.comeback import Comeback
from quarterdeck.client.errors import ClientError, Unreachable
from quarterdeck.client.request import Request
from quarterdeck.wire import streams

EVENT_BYTES_MAX = 1024 * 1024
SILENCE_SECONDS_MAX = 3 * streams.SILENCE_SECONDS_MAX
"""A stream that has said nothing for so long is dead, whatever the connection says."""


class Event(NamedTuple):
    """An event; `id` is the last one that was told."""

    name: str
    data: str
    id: str


class Parser:
    """Feed it what arrives; it gives the events that are whole."""

    def __init__(self) -> None:
        self.last_id = ""
        self._buffer = b""
        self._name = ""
        self._id = ""
        self._data: list[str] = []

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take in bytes, give whole events. Raises `Unreachable` for an event without end."""
        self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        if len(self._buffer) > EVENT_BYTES_MAX:
            raise Unreachable("the stream of events is broken")
        for line in lines:
            if (event := self._line(line.removesuffix(b"\r").decode())) is not None:
                yield event

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _dispatch(self) -> Event | None:
        self.last_id = self._id
        data, name = self._data, self._name
        self._data, self._name = [], ""
        return Event(name or "message", "\n".join(data), self.last_id) if data else None


def require_stream(content_type: str | None) -> None:
    """Raise `Unreachable` if an answer is no stream of events: another server's."""
    if (content_type or "").partition(";")[0].strip().lower() != streams.CONTENT_TYPE:
        raise Unreachable(
            f"the answer is {content_type}, not a stream of events as the platform's"
        )


class Following:
    """Where somebody who follows has come to. Rows come once and in order, however often the connection breaks."""

    def __init__(self, path: str, after: int | None = None) -> None:
        """Follow a stream of the manager, such as `/v1/events`, after a sequence number."""
        self.ended = False
        self._path = path
        self._after = after
        self._comeback = Comeback()
        self._parser = Parser()
        self._error: ClientError | None = None

    def request(self) -> Request:
        """Return what asks for the stream from here on."""
        query = () if self._after is None else (("after", str(self._after)),)
        return Request("GET", self._path, query)

    def take(self, data: bytes) -> Iterator[dict[str, Any]]:
        """Take in what has arrived; give the rows of history that are new."""
        for event in self._parser.feed(data):
            if event.name in {streams.SESSION, streams.KERNEL}:
                row = json.loads(event.data)
                if self._after is None or row["seq"] > self._after:
                    self._after = row["seq"]
                    yield row
            elif event.name == streams.END:
                self.ended = True
        self._comeback.answered()
        if self._parser.last_id.isdecimal():
            self._after = max(self._after or 0, int(self._parser.last_id))

    def nothing_left(self) -> None:
        """Take in that the story has ended, and that everything of it is known."""
        self.ended = True

    @contextlib.contextmanager
    def stream(self) -> Iterator[None]:
        """Take in what goes wrong during one stream, for `come_back` to judge."""
        self._parser, self._error = Parser(), None
        try:
            yield
        except ClientError as error:
            self._error = error

    def come_back(self, now: float) -> float:
        """Return how many seconds to wait before asking again, after a stream that broke off. Raises what `Comeback.pause` raises."""
        return self._comeback.pause(self._error, now)
