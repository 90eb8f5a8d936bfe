"""Server-sent events by a bare socket: what a client of any make sees, comments, ids and the end of the connection included.

async with raw_events.follow(user, f"/v1/sessions/{session.id}/events") as events:
    first = await events.next()
    rest = await events.rest()
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from quarterdeck.base import http1
from quarterdeck.base.clock import SystemClock
from quarterdeck.testing.tenancy import User
from quarterdeck.wire import signing


@dataclass(frozen=True)
class Seen:
    """One block of the stream, as it came; `data` is read as JSON, None in a block that is no event."""

    id: int = 0
    event: str | None = None
    data: Any = None
    comment: str | None = None
    retry: int = 0


class Events:
    """One answer of the manager to a request for events."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._answer = http1.Answer("GET")
        self._text = ""
        self._fresh = False

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._answer.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, names in lower case."""
        return self._answer.headers

    async def begun(self) -> None:
        """Wait for the head of the answer."""
        while not self._answer.begun:
            await self._receive()

    async def block(self) -> Seen:
        """Return the next block of any kind. Raises EOFError when the answer has ended, `http1.Broken` if it broke off."""
        while "\n\n" not in self._text:
            if self._answer.complete and not self._fresh:
                raise EOFError("the answer has ended")
            if not self._fresh:
                await self._receive()
            self._text += self._answer.take().decode()
            self._fresh = False
        text, _, self._text = self._text.partition("\n\n")
        return _seen(text)

    async def next(self) -> Seen:
        """Return the next event. Raises EOFError when the answer has ended."""
        while (block := await self.block()).event is None:
            pass
        return block

    async def until(self, status: str) -> list[Seen]:
        """Return events up to the one in which a session itself comes to a state. Raises EOFError."""
        seen = [await self.next()]
        while seen[-1].data["to_status"] != status or seen[-1].data["kernel"]:
            seen.append(await self.next())
        return seen

    async def rest(self) -> list[Seen]:
        """Return all events until the answer ends."""
        seen = []
        with contextlib.suppress(EOFError):
            while True:
                seen.append(await self.next())
        return seen

    def hang_up(self) -> None:
        """Break the connection off at once."""
        self._writer.transport.abort()

    async def _receive(self) -> None:
        data = await self._reader.read(64 * 1024)
        if data:
            self._answer.feed(data)
        else:
            self._answer.feed_end()
        self._fresh = True


@contextlib.asynccontextmanager
async def follow(
    user: User, path: str, *, last_event_id: str | None = None, begun: bool = True
) -> AsyncIterator[Events]:
    """Ask for events as a user, for the time of a block; from its first line on the answer has begun."""
    authority = urlsplit(user.url).netloc
    host, _, port = authority.rpartition(":")
    message = signing.Message("GET", path, authority, "", b"")
    pair = user.keypair
    headers = signing.sign(message, pair.access_key, pair.secret_key, SystemClock().now())
    headers |= {"Host": authority}
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(http1.request_head("GET", path, headers, 0))
        events = Events(reader, writer)
        if begun:
            await events.begun()
        yield events
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def _seen(text: str) -> Seen:
    fields: dict[str, str] = {}
    for line in text.split("\n"):
        name, _, value = line.partition(":")
        fields[name or "comment"] = value.removeprefix(" ")
    return Seen(
        id=int(fields.get("id", "0")),
        event=fields.get("event"),
        data=json.loads(fields["data"]) if "data" in fields else None,
        comment=fields.get("comment"),
        retry=int(fields.get("retry", "0")),
    )
