"""Conditional requests: which version of a file a client has or means, by RFC 9110 in its order."""

import functools
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from quarterdeck.storage_proxy import errors, ports

_DATES_REMEMBERED = 1024


def unchanged(headers: Mapping[str, str], source: ports.Source) -> bool:
    """Tell whether the client has this version already. Raises `PreconditionFailed` if it means another one."""
    wanted, until = headers.get("If-Match"), _date(headers.get("If-Unmodified-Since"))
    if wanted is not None and not _names(wanted, source.etag, strong=True):
        raise errors.PreconditionFailed(field="If-Match")
    if wanted is None and until is not None and _changed(source) > until:
        raise errors.PreconditionFailed(field="If-Unmodified-Since")
    if (known := headers.get("If-None-Match")) is not None:
        return _names(known, source.etag, strong=False)
    since = _date(headers.get("If-Modified-Since"))
    return since is not None and _changed(source) <= since


def byte_range(headers: Mapping[str, str], source: ports.Source) -> str | None:
    """Return the range asked for, unless it is meant for another version.

    A date stands for no version here: a file can change twice in a second.
    """
    condition = headers.get("If-Range")
    if condition is not None and condition.strip() != f'"{source.etag}"':
        return None
    return headers.get("Range")


def version(source: ports.Source) -> dict[str, str]:
    """Return the headers that name the version."""
    return {
        "ETag": f'"{source.etag}"',
        "Last-Modified": _written(_changed(source)),
    }


@functools.lru_cache(maxsize=_DATES_REMEMBERED)
def _written(date: datetime) -> str:
    return format_datetime(date, usegmt=True)


def _names(header: str, etag: str, *, strong: bool) -> bool:
    tags = {tag.strip() for tag in header.split(",")}
    if not strong:
        tags = {tag.removeprefix("W/") for tag in tags}
    return "*" in tags or f'"{etag}"' in tags


def _changed(source: ports.Source) -> datetime:
    return source.entry.modified_at.astimezone(UTC).replace(microsecond=0)


def _date(header: str | None) -> datetime | None:
    """Return what a date says; None for none, or one that makes no sense, as HTTP wants."""
    if header is None:
        return None
    try:
        return parsedate_to_datetime(header).astimezone(UTC)
    except ValueError:
        return None
