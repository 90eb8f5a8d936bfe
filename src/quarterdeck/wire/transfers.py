"""Transfers on the wire: uploads under way, URLs that carry their own token, checksums, archives."""

import enum
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from quarterdeck.wire import limits
from quarterdeck.wire.tokens import URL_SECONDS_MAX


class UploadView(msgspec.Struct, frozen=True, kw_only=True):
    """An upload in pieces that is under way. `path` is empty for a part; `source` is what the client said of its own file."""

    id: str
    path: str
    size: int
    offset: int
    expires_at: datetime
    source: str


class UrlRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request for a URL that reads or writes one file without a header, for a short time."""

    method: Literal["GET", "PUT"]
    path: limits.RelativePath
    seconds: Annotated[int, Meta(ge=1, le=URL_SECONDS_MAX)] = 300


class UrlGrant(msgspec.Struct, frozen=True):
    """Path and query of the URL at the storage-proxy, and when it ends: not later than the token that it was asked for with."""

    target: str
    expires_at: datetime


class FileSum(msgspec.Struct, frozen=True):
    """The checksum of a file's content, in hexadecimal, and the version that has it."""

    size: int
    etag: str
    sha256: str | None = None
    crc32: str | None = None


class ArchiveFormat(enum.StrEnum):
    """In what form a directory is sent."""

    TAR = "tar"
    ZIP = "zip"
