"""The kit for every HTTP service: routes with strict input, replies, problems for all that goes wrong, serving and draining.

    routes = [http_server.route("POST", "/v1/things", create), http_server.route("GET", "/v1/things", ls, query=ThingQuery)]
    app = http_server.application([*routes, http_server.health("manager", "m1", check, clock)], middlewares=[authenticate])
    async with http_server.serve(app, http_server.listen("fd:3")):
        await stop.wait()

Handlers raise `QuarterdeckError`s; `quarterdeck.infra.http_problems` turns them, and everything else, into problem+json.
What is asked for often is a `call` in place of a `route`: see `quarterdeck.infra.calls`.
"""

import asyncio
import contextlib
import functools
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from quarterdeck.base import ids, tasks
from quarterdeck.base.clock import Clock
from quarterdeck.base.errors import ConfigInvalid
from quarterdeck.base.version import VERSION
from quarterdeck.infra import answers, calls, http_problems, prompt_answers
from quarterdeck.infra.answers import Answer
from quarterdeck.infra.calls import Call, Request
from quarterdeck.infra.errors import BodyTooLarge, UnsupportedMediaType
from quarterdeck.wire import decode, signing
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.nodes import Health

BODY_BYTES_MAX = 1024 * 1024
DRAIN_SECONDS = 3.0
BACKLOG = 1024
KEEPALIVE_SECONDS = 75.0
READ_BYTES = 64 * 1024

_T = TypeVar("_T")
Reply = web.StreamResponse | Answer
Handler = Callable[[Any], Awaitable[Reply]]
Middleware = Callable[[Any, Handler], Awaitable[Reply]]

_DRAINING = web.AppKey("draining", asyncio.Event)
_POLLS = web.AppKey("polls", set[tasks.Wake])
_CALLS = web.AppKey("calls", calls.Calls)


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For addresses that take no query parameters."""


def route(
    method: str,
    path: str,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    *,
    query: type[msgspec.Struct] = NoQuery,
) -> web.RouteDef:
    """Return a route that refuses query parameters which do not fit `query`, before the handler runs."""

    async def strict(request: web.Request) -> web.StreamResponse:
        decode.decode_query(query, request.query.items())
        return await handler(request)

    return web.route(method, path, strict)


def call(
    method: str, path: str, handler: calls.Handler, *, query: type[msgspec.Struct] = NoQuery
) -> web.RouteDef:
    """Return a route whose handler takes a `Request` and gives an `Answer`; plain requests cost little."""

    async def strict(request: Request) -> Answer:
        decode.decode_query(query, request.query.items())
        return await handler(request)

    return calls.Route(method, path, strict)


def health(
    component: str,
    id_: str,
    check: Callable[[], Awaitable[str | None]],
    clock: Clock,
    *,
    degraded: Callable[[], str | None] = lambda: None,
) -> web.RouteDef:
    """Return the route of `GET /health`. `check` returns None, or why the component cannot work now (then 503).

    `degraded` returns None, or what is wrong although it works.
    """

    async def answer(_: web.Request) -> web.StreamResponse:
        reason = await check()
        status, code = ("ok", 200) if reason is None else ("unavailable", 503)
        if reason is None and (reason := degraded()) is not None:
            status = "degraded"
        view = Health(
            status=status,
            component=component,
            id=id_,
            version=VERSION,
            time=clock.now().timestamp(),
            reason=reason,
        )
        return reply(view, code)

    return route("GET", "/health", answer)


def application(
    routes: Iterable[web.AbstractRouteDef],
    *,
    middlewares: Iterable[Middleware] = (),
    body_bytes_max: int = BODY_BYTES_MAX,
) -> web.Application:
    """Return an application. Its own middlewares run inside the one that answers with problems."""
    routes, middlewares = list(routes), list(middlewares)
    around: list[Any] = [web.middleware(each) for each in middlewares]
    app = web.Application(
        middlewares=[http_problems.guard, *around],
        client_max_size=body_bytes_max,
    )
    app[_CALLS] = calls.Calls(app, routes, middlewares, body_bytes_max)
    app[_DRAINING] = asyncio.Event()
    app[_POLLS] = set()
    app.on_shutdown.append(_drain)
    app.on_response_prepare.append(_add_headers)
    app.add_routes(routes)
    return app


async def body(request: Request, type_: type[_T]) -> _T:
    """Read the body as JSON of a type. Raises `UnsupportedMediaType`, `BodyTooLarge`, `Invalid`."""
    if request.content_type != "application/json" or "Content-Encoding" in request.headers:
        raise UnsupportedMediaType
    return decode.decode(type_, await raw_body(request))


async def raw_body(request: Request) -> bytes:
    """Read the body. Raises `BodyTooLarge`, before reading where the client tells the length."""
    if isinstance(request, Call):
        return request.content
    limit = request.client_max_size
    if (request.content_length or 0) > limit:
        raise BodyTooLarge(f"The body may have {limit} bytes")
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise BodyTooLarge(f"The body may have {limit} bytes") from error


def query(request: Request, type_: type[_T]) -> _T:
    """Read the query parameters as a type. Raises `Invalid`."""
    return decode.decode_query(type_, request.query.items())


def path_id(request: Request, name: str = "id") -> str:
    """Return the part of the path with this name, which must be a UUID. Raises `Invalid` naming it."""
    value = request.match_info[name]
    if not ids.is_id(value):
        raise Invalid(name, f"{value[:64]!r} is not an id (a UUID in lower case)")
    return value


async def signed_message(request: Request) -> signing.Message:
    """Return what the signature of a request covers; reads the body. Raises `BodyTooLarge`."""
    return signing.Message(
        method=request.method,
        target=request.raw_path,
        host=request.headers.get("Host", ""),
        content_type=request.headers.get("Content-Type", ""),
        body=await raw_body(request),
        audience=request.headers.get(signing.AUDIENCE_HEADER, ""),
    )


def reply(value: object, status: int = 200) -> web.Response:
    """Answer with a wire type as JSON."""
    return web.Response(
        body=decode.encode(value), status=status, headers={"Content-Type": "application/json"}
    )


def no_content() -> web.Response:
    """Answer that it is done and there is nothing to say."""
    return web.Response(status=204)


def draining(request: Request) -> asyncio.Event:
    """Return the event that is set when the server begins to stop: a long poll answers then with what it has."""
    return request.app[_DRAINING]


@contextlib.contextmanager
def until_in_vain(request: Request, wake: tasks.Wake) -> Iterator[Callable[[], bool]]:
    """Set `wake` when the client hangs up or the server begins to stop; give a function that tells whether one has happened."""
    groups = [request.app[_POLLS]]
    if isinstance(request.protocol, http_problems.Protocol):
        groups.append(request.protocol.watchers)
    for group in groups:
        group.add(wake)
    try:
        yield lambda: request.transport is None or request.app[_DRAINING].is_set()
    finally:
        for group in groups:
            group.discard(wake)


def listen(text: str) -> socket.socket:
    """Return a listening socket: `fd:3` (inherited, already listening) or `host:port`. Raises `ConfigInvalid`."""
    kind, _, rest = text.rpartition(":")
    if not rest.isdecimal() or not kind:
        raise ConfigInvalid(f"not an address to listen on (host:port or fd:number): {text!r}")
    try:
        if kind == "fd":
            os.set_inheritable(int(rest), False)  # noqa: FBT003 - the standard library's signature
            listener = socket.socket(fileno=int(rest))
        else:
            family = socket.AF_INET6 if kind.startswith("[") else socket.AF_INET
            listener = socket.create_server(
                (kind.strip("[]"), int(rest)), family=family, backlog=BACKLOG
            )
    except OSError as error:
        raise ConfigInvalid(f"cannot listen on {text!r}: {error}") from error
    listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
    return listener


@contextlib.asynccontextmanager
async def serve(
    app: web.Application,
    listener: socket.socket,
    *,
    drain_seconds: float = DRAIN_SECONDS,
    read_bytes: int = READ_BYTES,
    prompt: prompt_answers.Prompt | None = None,
) -> AsyncIterator[None]:
    """Serve within the block, from its first line on. At its end requests under way have `drain_seconds` to finish.

    A connection reads up to twice `read_bytes` of a body ahead of its handler. `prompt` is asked before the routes.
    """
    connection = _connection(app, prompt)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=drain_seconds)
    await runner.setup()
    loop = asyncio.get_running_loop()
    server = runner.server
    if server is None:
        raise RuntimeError("aiohttp made no server")

    def protocol() -> web.RequestHandler:
        return connection(
            server,
            loop=loop,
            access_log=None,
            keepalive_timeout=KEEPALIVE_SECONDS,
            lingering_time=1.0,
            read_bufsize=read_bytes,
            auto_decompress=False,
        )

    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(runner.cleanup)
        sockets = await loop.create_server(protocol, sock=listener, backlog=BACKLOG)
        stack.callback(sockets.close)
        stack.push_async_callback(_accepted)
        stack.callback(loop.remove_reader, listener)
        yield


async def _accepted() -> None:
    """Return when asyncio has made connections of what it has accepted, for which it takes two turns: of a server that is closed it makes none, nor does it hang up."""
    for _ in range(2):
        await tasks.pause(0)


def _connection(
    app: web.Application, prompt: prompt_answers.Prompt | None
) -> Callable[..., web.RequestHandler]:
    if prompt is not None:
        return functools.partial(prompt_answers.Connection, prompt=prompt)
    if (known := app.get(_CALLS)) is not None:
        return functools.partial(calls.Connection, calls=known)
    return http_problems.Protocol


async def _drain(app: web.Application) -> None:  # noqa: RUF029 - aiohttp's signals are async
    app[_DRAINING].set()
    for wake in app[_POLLS]:
        wake.set()


async def _add_headers(  # noqa: RUF029 - aiohttp's signals are async
    request: web.Request, response: web.StreamResponse
) -> None:
    response.headers["X-Request-Id"] = request.get(http_problems.TRACE, "")
    response.headers["Server"] = answers.SERVER
