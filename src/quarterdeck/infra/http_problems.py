"""What a server answers when something goes wrong: every error becomes application/problem+json, none a bare 500 text.

For `quarterdeck.infra.http_server` and `calls`. `guard` is the outermost middleware and the supervisor of all handlers, `told` says what
they raised. `Protocol` covers what never becomes a request: bytes that are not HTTP.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn

from aiohttp import web
from aiohttp.http import HttpRequestParser
from aiohttp.web_request import BaseRequest

from quarterdeck.base import ids, log, tasks
from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.infra.answers import SERVER, Answer
from quarterdeck.wire import decode, problem

TRACE = web.RequestKey("trace", str)
"""Where a request keeps its trace id."""

_log = logging.getLogger(__name__)
_TRACE = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")

_HTTP_CODES = {
    400: "malformed-request",
    404: "route-not-found",
    405: "method-not-allowed",
    411: "length-required",
    412: "precondition-failed",
    413: "body-too-large",
    415: "unsupported-media-type",
    416: "range-not-satisfiable",
    429: "too-many-requests",
    503: "unavailable",
}


@web.middleware
async def guard(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Run a handler under a trace id, answer its errors, log the request at debug level."""
    trace = request[TRACE] = trace_of(request.headers)
    with log.bind(trace=trace):
        if not is_each_logged():
            return await _answer(request, handler)
        loop = asyncio.get_running_loop()
        started = loop.time()
        response = await _answer(request, handler)
        _log.debug("request", extra=_fields(request, response, loop.time() - started))
        return response


def trace_of(headers: Mapping[str, str]) -> str:
    """Return the trace id of a request: the one that it was given, or a new one."""
    given = headers.get("X-Request-Id", "")
    return given if _TRACE.match(given) else ids.trace()


def is_each_logged() -> bool:
    """Tell whether each request is logged."""
    return _log.isEnabledFor(logging.DEBUG)


async def _answer(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except ConnectionError:
        raise  # the client has gone: nobody to answer
    except Exception as error:  # noqa: BLE001 - supervisor: whatever a handler raises is answered and logged
        if request.writer.output_size > 0:
            _break_off(request, error)
        if isinstance(error, web.HTTPException) and error.status < 400:
            return error
        return told(request.method, request.path, error).response()


def _break_off(request: web.Request, error: Exception) -> NoReturn:
    """End the connection in the middle of a response: nothing that is sent now would be taken for anything but its content."""
    known = isinstance(error, QuarterdeckError)
    _log.log(
        logging.WARNING if known else logging.ERROR,
        "response-broken-off",
        extra={"method": request.method, "path": request.path, "error": str(error)},
        exc_info=None if known else error,
    )
    if request.transport is not None:
        request.transport.abort()
    raise ConnectionResetError("the response was broken off") from error


def told(method: str, path: str, error: Exception) -> Answer:
    """Return what a client is told of what a handler raised, and log what nobody expected."""
    if isinstance(error, QuarterdeckError):
        return _known(error)
    if isinstance(error, web.HTTPException):
        return _http(error)
    where = {"method": method, "path": path}
    if isinstance(error, TimeoutError):
        _log.warning("request-timed-out", extra=where)
        return _answered(
            problem.make(
                "outcome-unknown", "It took too long: it may be done or not", trace=log.trace()
            )
        )
    _log.error("request-failed", extra=where, exc_info=error)
    return _answered(_internal())


class Protocol(web.RequestHandler):
    """aiohttp's connection handler, which answers with a problem also where no request was understood.

    `watchers` are woken when the connection is lost; `give_up` is called when the server waits no longer for a request under way.
    """

    def __init__(self, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self.watchers: set[tasks.Wake] = set()
        self.give_up: Callable[[], None] | None = None
        self._is_broken_off = False

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - aiohttp's
        """End the request under way after so many seconds; whoever has taken its body elsewhere hears of that, too."""
        waking = self._loop.call_later(timeout or 0.0, self._give_up)
        try:
            await super().shutdown(timeout)
        finally:
            waking.cancel()

    def _give_up(self) -> None:
        if self.give_up is not None:
            self.give_up()

    def expect_next(self) -> None:
        """Go on with the next request: somebody else has read the body of this one to its end."""
        self._parser = HttpRequestParser(
            self,
            self._loop,
            self._read_bufsize,
            max_line_size=self.max_line_size,
            max_field_size=self.max_field_size,
            max_headers=self.max_headers,
            payload_exception=web.RequestPayloadError,
            auto_decompress=False,
            max_msg_queue_size=self._max_msg_queue_size,
        )
        if self._current_request is not None:
            self._current_request.content.feed_eof()

    def break_off(self) -> None:
        """End with the answer that is under way: nobody knows where the next request begins."""
        self._is_broken_off = True

    def connection_lost(self, exc: BaseException | None) -> None:
        """Wake whoever does long work for a client that has gone."""
        super().connection_lost(exc)
        for wake in self.watchers:
            wake.set()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what did not get as far as a handler, and close the connection."""
        if request.writer.output_size > 0:
            raise ConnectionError("an error after the response has begun")
        if isinstance(exc, ConnectionResetError) and request.transport is None:
            _log.info("client-gone", extra={"path": request.path})
            found = _internal()  # nobody reads it
        elif status >= 500:
            _log.error("connection-failed", exc_info=exc)
            found = _internal()
        else:
            _log.info("request-malformed", extra={"remote": request.remote, "error": message})
            found = problem.make("malformed-request")
        response = _answered(found).response()
        response.headers["Server"] = SERVER
        response.force_close()
        return response

    async def finish_response(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Answer refusals that are raised outside of the middlewares, such as a bad `Expect`, with a problem too."""
        if isinstance(resp, web.HTTPException) and resp.status >= 400:
            resp = _http(resp).response()
        if self._is_broken_off:
            resp.force_close()
        return await super().finish_response(request, resp, start_time)


def _known(error: QuarterdeckError) -> Answer:
    found = problem.make(error.code, error.detail, field=error.field, trace=log.trace())
    if found.code == "internal":
        _log.error("request-failed", exc_info=error)
        found = _internal()
    return _answered(found)


def _http(error: web.HTTPException) -> Answer:
    code = _HTTP_CODES.get(error.status, "malformed-request")
    answer = _answered(problem.make(code, trace=log.trace()))
    if allow := error.headers.get("Allow"):
        return answer._replace(headers={**answer.headers, "Allow": allow})
    return answer


def _internal() -> problem.Problem:
    return problem.make("internal", "The service's log tells more by the trace", trace=log.trace())


def _answered(found: problem.Problem) -> Answer:
    headers = {"Content-Type": problem.CONTENT_TYPE, problem.CODE_HEADER: found.code}
    if found.status == 401:
        headers["WWW-Authenticate"] = "QD1-HMAC-SHA256, Bearer"
    return Answer(found.status, headers, decode.encode(found))


def _fields(
    request: web.Request, response: web.StreamResponse, seconds: float
) -> dict[str, object]:
    return {
        "method": request.method,
        "path": request.path,
        "status": response.status,
        "ms": round(seconds * 1000, 3),
    }
