"""The addresses of events: the history of one's sessions as server-sent events. A session of another user does not exist."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from aiohttp import web

from quarterdeck.base.clock import Clock
from quarterdeck.base.tasks import Wake
from quarterdeck.infra import event_stream, http_server
from quarterdeck.manager.events import errors, model
from quarterdeck.manager.events.service import EventService, Watch
from quarterdeck.manager.identity.http import principal
from quarterdeck.wire import decode, sessions, streams

LOOK_SECONDS = 5.0
"""A follower looks this often even if nobody wakes it: a notification may be lost with its connection."""
STREAM_SECONDS_MAX = 600.0
"""After this time a stream breaks off, and its client comes back with a fresh signature: a key that was taken away ends it."""


def routes(service: EventService, clock: Clock) -> Sequence[web.RouteDef]:
    """Return the addresses of events."""
    api = _Api(service, clock)
    return [
        http_server.route("GET", "/v1/events", api.own, query=sessions.EventQuery),
        http_server.route(
            "GET", "/v1/sessions/{id}/events", api.session, query=sessions.EventQuery
        ),
    ]


class _Api:
    def __init__(self, service: EventService, clock: Clock) -> None:
        self._service = service
        self._clock = clock

    async def own(self, request: web.Request) -> web.StreamResponse:
        return await self._follow(request, self._service.own(principal(request), _after(request)))

    async def session(self, request: web.Request) -> web.StreamResponse:
        session = http_server.path_id(request)
        return await self._follow(
            request, self._service.session(principal(request), session, _after(request))
        )

    async def _follow(self, request: web.Request, watch: Watch) -> web.StreamResponse:
        """Send until the story ends, the client goes or the server stops. An ended story of which nothing is left has no content."""
        wake = Wake()
        with (
            self._service.place(principal(request)),
            http_server.until_in_vain(request, wake) as over,
            watch.ringing(wake),
        ):
            batch = await watch.look()
            if batch.last is not None and not batch.rows:
                return http_server.no_content()
            async with event_stream.open_(request) as stream:
                await self._pass_on(stream, batch, watch, _Patience(wake, over))
            return stream.response

    async def _pass_on(
        self,
        stream: event_stream.EventStream,
        batch: model.Batch,
        watch: Watch,
        client: "_Patience",
    ) -> None:
        deadline = self._clock.monotonic() + STREAM_SECONDS_MAX
        said = -1
        while True:
            if batch.rows or batch.cursor != said:
                await stream.send(_events(batch))
                said = batch.cursor
            if batch.last is not None or client.over() or self._clock.monotonic() >= deadline:
                return
            if not batch.rows and not await client.wake.wait(LOOK_SECONDS):
                said = -1
            batch = await watch.look()


class _Patience(NamedTuple):
    """Rings when there may be news or nobody waits any more; tells which."""

    wake: Wake
    over: Callable[[], bool]


def _events(batch: model.Batch) -> bytes:
    said = [
        streams.event(
            streams.KERNEL if row.kernel else streams.SESSION, decode.encode(row), row.seq
        )
        for row in batch.rows
    ]
    if batch.last is not None:
        said.append(streams.event(streams.END, decode.encode(batch.last)))
    return b"".join(said) or streams.keep_alive(batch.cursor)


def _after(request: web.Request) -> int | None:
    """Return after which row to go on: the header counts, which a client sets that comes back. Raises `LastEventInvalid`."""
    header = request.headers.get(streams.LAST_EVENT_ID)
    if header is None:
        return http_server.query(request, sessions.EventQuery).after
    if not (header.isascii() and header.isdecimal() and len(header) <= 18):
        raise errors.LastEventInvalid(
            f"{header[:64]!r} is no id of an event", field=streams.LAST_EVENT_ID
        )
    return int(header)
