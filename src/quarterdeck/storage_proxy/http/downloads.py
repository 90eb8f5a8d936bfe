"""Answers with the content of a file: whole or a range, conditional on its version, by sendfile where the file is local."""

import asyncio

from aiohttp import web

from quarterdeck.storage_proxy import errors, model, ports
from quarterdeck.storage_proxy.http import conditions
from quarterdeck.storage_proxy.model import Span
from quarterdeck.wire import decode, problem

_BUFFERED_BYTES_MAX = 256 * 1024
"""A stretch up to this size is answered in one piece, headers and content together."""


async def send(request: web.Request, source: ports.Source) -> web.StreamResponse:
    """Answer a GET or HEAD: 200, 206 for a range, 304 for a version that the client has, 416 for a range behind the end.

    Raises `PreconditionFailed` for a version that the client does not mean.
    """
    size = source.entry.size
    if conditions.unchanged(request.headers, source):
        return web.Response(status=304, headers=conditions.version(source))
    try:
        stretch = model.span(conditions.byte_range(request.headers, source), size)
    except errors.RangeUnsatisfiable as error:
        return _unsatisfiable(error)
    headers = whole(source)
    if stretch is not None:
        end = stretch.start + stretch.length - 1
        headers["Content-Range"] = f"bytes {stretch.start}-{end}/{size}"
    status = 200 if stretch is None else 206
    stretch = stretch or Span(0, size)
    if stretch.length <= _BUFFERED_BYTES_MAX or request.method == "HEAD":
        return await _at_once(request, source, stretch, (status, headers))
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = stretch.length
    await response.prepare(request)
    await _stream(request, response, source, stretch)
    await response.write_eof()
    return response


async def _at_once(
    request: web.Request,
    source: ports.Source,
    stretch: Span,
    answer: tuple[int, dict[str, str]],
) -> web.Response:
    status, headers = answer
    if request.method == "HEAD":
        headers["Content-Length"] = str(stretch.length)
        return web.Response(status=status, headers=headers)
    body = b"".join([block async for block in source.blocks(stretch)])
    return web.Response(status=status, headers=headers, body=body)


async def _stream(
    request: web.Request, response: web.StreamResponse, source: ports.Source, stretch: Span
) -> None:
    sent = 0
    if isinstance(source, ports.Descriptor) and request.transport is not None:
        loop = asyncio.get_running_loop()
        sent = await loop.sendfile(request.transport, source.file, stretch.start, stretch.length)
    else:
        async for block in source.blocks(stretch):
            await response.write(block)
            sent += len(block)
    if sent < stretch.length:
        raise errors.StorageUnavailable("the file became shorter while it was read")


def whole(source: ports.Source) -> dict[str, str]:
    """Return the headers of a file's whole content."""
    return {
        **conditions.version(source),
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
        "Content-Disposition": "attachment",
        "X-Content-Type-Options": "nosniff",
    }


def _unsatisfiable(error: errors.RangeUnsatisfiable) -> web.Response:
    found = problem.make(error.code, error.detail, field=error.field)
    return web.Response(
        status=found.status,
        body=decode.encode(found),
        headers={
            "Content-Type": problem.CONTENT_TYPE,
            "Content-Range": f"bytes */{error.size}",
        },
    )
