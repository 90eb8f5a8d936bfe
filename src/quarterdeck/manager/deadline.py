"""Every request ends: one that is not through in time is answered all the same, by what is known of its outcome."""

import asyncio

from quarterdeck.infra import http_server
from quarterdeck.infra.calls import Request
from quarterdeck.infra.errors import BrokenOff
from quarterdeck.manager import errors

REQUEST_SECONDS_MAX = 45.0
"""Longer than any wait of a handler, but for those of `PATIENT_PATHS`, which keep their own deadlines."""

PATIENT_PATHS = ("/execute", "/events")
_READS = frozenset({"GET", "HEAD"})


async def within_deadline(request: Request, handler: http_server.Handler) -> http_server.Reply:
    """Run a handler for at most `REQUEST_SECONDS_MAX`. Raises `TookTooLong`, `OutcomeNotKnown`."""
    try:
        if request.path.endswith(PATIENT_PATHS) or _is_socket(request):
            return await handler(request)
        return await _in_time(request, handler)
    except BrokenOff as error:
        if request.method in _READS:
            raise
        raise errors.OutcomeNotKnown("The database went away: it may be done or not") from error


async def _in_time(request: Request, handler: http_server.Handler) -> http_server.Reply:
    try:
        async with asyncio.timeout(REQUEST_SECONDS_MAX):
            return await handler(request)
    except TimeoutError as error:
        if request.method in _READS:
            raise errors.TookTooLong from error
        raise errors.OutcomeNotKnown from error


def _is_socket(request: Request) -> bool:
    of_socket = "/terminals/" in request.path or request.path.endswith("/stream")
    return request.method == "GET" and of_socket and "Upgrade" in request.headers
