"""The bearer credential of a request."""

from aiohttp import web


def credential(request: web.Request) -> str | None:
    """Return what `Authorization: Bearer ...` carries, None if the request has no such header."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" and value.strip() else None
