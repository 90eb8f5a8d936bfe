"""Requests to handlers that are awaited, answered without a request and a response of aiohttp's where they are plain.

A handler of such a route is the same for both ways: it is given aiohttp's request or a `Call`, which look alike as far as it may look, and
gives an `Answer`. So are the middlewares, which run around it in their order. For `http_server`; the connection is that of `plain_requests`.
"""

import asyncio
import functools
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

from aiohttp import web
from aiohttp.helpers import parse_content_type
from aiohttp.http import RawRequestMessage

from quarterdeck.base import log
from quarterdeck.infra import http_problems, plain_requests
from quarterdeck.infra.answers import Answer
from quarterdeck.wire import signing

HEADERS = plain_requests.HEADERS | {
    signing.DATE_HEADER.lower().encode(),
    signing.AUDIENCE_HEADER.lower().encode(),
}
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE"})
_PARAMETER = re.compile(r"\\{(\w+)\\}")
_ID = "[0-9a-f-]{36}"
"""What may be an id. Whatever else stands in such a place is the affair of aiohttp's router."""

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Call:
    """A plain request that is there as a whole. What it has in common with aiohttp's has the same name there."""

    def __init__(
        self,
        message: RawRequestMessage,
        content: bytes,
        match_info: Mapping[str, str],
        connection: "Connection",
    ) -> None:
        self.method = message.method
        self.raw_path = message.path
        self.path = message.path.partition("?")[0]
        self.headers = message.headers
        self.match_info = match_info
        self.content = content
        self.protocol = connection
        self.app = connection.app
        self._url = message.url
        self._kept: dict[web.RequestKey[Any], Any] = {}

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters of the query."""
        return self._url.query

    @property
    def content_type(self) -> str:
        """What kind of content it is, in lower case and without parameters."""
        return parse_content_type(self.headers.get("Content-Type", ""))[0]

    @property
    def transport(self) -> asyncio.Transport | None:
        """The connection to the client; None: it has hung up."""
        return self.protocol.transport

    def __getitem__(self, key: web.RequestKey[_T]) -> _T:
        value: _T = self._kept[key]
        return value

    def __setitem__(self, key: web.RequestKey[_T], value: _T) -> None:
        self._kept[key] = value


Request = web.Request | Call
Handler = Callable[[Request], Awaitable[Answer]]


class Route(web.RouteDef):
    """A route of aiohttp whose handler is given plain requests without it, too."""

    call: Handler

    def __init__(self, method: str, path: str, handler: Handler) -> None:
        async def respond(request: web.Request) -> web.StreamResponse:
            return (await handler(request)).response()

        super().__init__(method, path, respond, {})
        object.__setattr__(self, "call", handler)  # it is frozen


class Calls:
    """The routes for calls of an application, each with the middlewares around it."""

    def __init__(
        self,
        app: web.Application,
        routes: Iterable[web.AbstractRouteDef],
        middlewares: Iterable[Callable[..., Awaitable[Any]]],
        body_bytes_max: int,
    ) -> None:
        self.app = app
        self.body_bytes_max = body_bytes_max
        self._routes: dict[str, list[tuple[re.Pattern[str], Handler]]] = {}
        around = list(middlewares)
        for route in routes:
            if isinstance(route, Route):
                handler = route.call
                for middleware in reversed(around):
                    handler = functools.partial(middleware, handler=handler)
                self._routes.setdefault(route.method, []).append((_pattern(route.path), handler))

    def find(self, method: str, target: str) -> tuple[Handler, Mapping[str, str]] | None:
        """Return who answers a request, and the ids in its path."""
        for pattern, handler in self._routes.get(method, ()):
            if found := pattern.match(target):
                return handler, found.groupdict()
        return None


class Connection(plain_requests.Connection):
    """A connection that gives plain requests to the handlers of calls, one at a time."""

    def __init__(self, manager: web.Server, *, calls: Calls, **options: Any) -> None:
        super().__init__(manager, methods=_METHODS, headers=HEADERS, **options)
        self.app = calls.app
        self._calls = calls
        self._answering: asyncio.Task[None] | None = None

    def take(self, message: RawRequestMessage, body: bytes) -> bool | None:
        """Begin to answer a request for which there is a handler."""
        found = self._calls.find(message.method, message.path)
        if found is None or len(body) > self._calls.body_bytes_max:
            return False
        handler, match_info = found
        call = Call(message, body, match_info, self)
        self._answering = self._loop.create_task(self._answer(call, handler))
        return None

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - aiohttp's
        """End the request under way after so many seconds, also where aiohttp waits for nothing, since the client has gone."""
        has_gone = self.transport is None
        try:
            await super().shutdown(timeout)
            if has_gone and self._answering is not None:
                await asyncio.wait([self._answering], timeout=timeout)
        finally:
            if self._answering is not None:
                self._answering.cancel()

    async def _answer(self, call: Call, handler: Handler) -> None:
        trace = http_problems.trace_of(call.headers)
        with log.bind(trace=trace):
            try:
                self.write(await _answer(call, handler), trace)
            except ConnectionError:
                self.force_close()
            except Exception as error:  # noqa: BLE001 - supervisor: nobody waits for an answer that there will not be
                where = {"method": call.method, "path": call.path}
                _log.error("call-not-answered", extra=where, exc_info=error)
                self.force_close()
            except asyncio.CancelledError:
                self.force_close()
                raise
            finally:
                self._answering = None
                self.end()


async def _answer(call: Call, handler: Handler) -> Answer:
    try:
        return await handler(call)
    except Exception as error:  # supervisor: whatever a handler raises is answered and logged
        if isinstance(error, ConnectionError) and call.transport is None:
            raise  # the client has gone: nobody to answer
        return http_problems.told(call.method, call.path, error)


def _pattern(path: str) -> re.Pattern[str]:
    """Return what the target of a request for a path looks like, with or without a query."""
    return re.compile(_PARAMETER.sub(rf"(?P<\1>{_ID})", re.escape(path)) + r"(?:\?|\Z)")
