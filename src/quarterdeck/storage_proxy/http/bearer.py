"""The bearer credential of a request."""

from collections.abc import Mapping


def credential(headers: Mapping[str, str]) -> str | None:
    """Return what `Authorization: Bearer ...` carries, None if there is no such header."""
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" and value.strip() else None
