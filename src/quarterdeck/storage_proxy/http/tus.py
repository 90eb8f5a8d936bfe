"""Headers of the tus protocol, version 1.0.0: read strictly, written in one place. No handlers here."""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

from aiohttp import web

from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.model import Upload
from quarterdeck.storage_proxy.transfers import checksums
from quarterdeck.storage_proxy.transfers.checksums import Checksum

VERSION = "1.0.0"
UPLOADS = "/client/v1/uploads"
CONTENT_TYPE = "application/offset+octet-stream"
EXTENSIONS = "creation,creation-with-upload,checksum,termination,expiration,concatenation"

_NUMBER = re.compile(r"[0-9]{1,18}\Z")
_METADATA_BYTES_MAX = 8192
_CHECKSUM = "Upload-Checksum"


def capabilities(size_max: int) -> dict[str, str]:
    """Return the headers that tell a client what there is."""
    return {
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(size_max),
        "Tus-Checksum-Algorithm": ",".join(checksums.BYTES),
    }


def require_version(request: web.Request) -> None:
    """Raise `PreconditionFailed` unless the client speaks this version."""
    if request.headers.get("Tus-Resumable") != VERSION:
        raise errors.PreconditionFailed(
            f"Tus-Resumable: {VERSION} is spoken here", field="Tus-Resumable"
        )


def number(request: web.Request, header: str) -> int:
    """Return the number of bytes that a header has. Raises `UploadRefused`."""
    if (text := request.headers.get(header)) is None or not _NUMBER.match(text):
        raise errors.UploadRefused(f"{header} is a number of bytes", field=header)
    return int(text)


def metadata(request: web.Request) -> Mapping[str, str]:
    """Return what `Upload-Metadata` says. Raises `UploadRefused`."""
    header = request.headers.get("Upload-Metadata", "")
    if len(header) > _METADATA_BYTES_MAX:
        raise _unreadable(f"has at most {_METADATA_BYTES_MAX} bytes")
    found: dict[str, str] = {}
    for pair in filter(None, header.split(",")):
        key, _, value = pair.strip().partition(" ")
        if not key or key in found:
            raise _unreadable("has each key once")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise _unreadable("has values in Base64 of UTF-8") from None
    return found


def checksum(request: web.Request) -> Checksum | None:
    """Return what `Upload-Checksum` says; None without. Raises `UploadRefused`."""
    if (header := request.headers.get(_CHECKSUM)) is None:
        return None
    algorithm, _, text = header.partition(" ")
    try:
        digest = base64.b64decode(text, validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != checksums.BYTES.get(algorithm):
        raise errors.UploadRefused(
            f"a checksum is {' or '.join(checksums.BYTES)} and the digest in Base64",
            field=_CHECKSUM,
        )
    return Checksum(algorithm, digest, _CHECKSUM)


def parts(request: web.Request) -> list[str] | None:
    """Return the ids of the parts that `Upload-Concat: final;…` joins; None if it joins none. Raises `UploadRefused`."""
    header = request.headers.get("Upload-Concat", "")
    if not header.startswith("final;"):
        return None
    urls = header.removeprefix("final;").split()
    return [url.rstrip("/").rpartition("/")[2] for url in urls]


def is_part(request: web.Request) -> bool:
    """Tell whether an upload is a part. Raises `UploadRefused`."""
    header = request.headers.get("Upload-Concat")
    if header not in {None, "partial"}:
        raise errors.UploadRefused("an upload is `partial` or `final;…`", field="Upload-Concat")
    return header == "partial"


def described(upload: Upload, offset: int) -> dict[str, str]:
    """Return the headers that tell of an upload."""
    headers = {
        "Upload-Offset": str(offset),
        "Upload-Length": str(upload.size),
        "Cache-Control": "no-store",
        **expires(upload),
    }
    if upload.metadata:
        headers["Upload-Metadata"] = upload.metadata
    if upload.part:
        headers["Upload-Concat"] = "partial"
    return headers


def expires(upload: Upload) -> dict[str, str]:
    """Return the header that tells until when an upload can be gone on with."""
    until = datetime.fromtimestamp(upload.expires_at, UTC)
    return {"Upload-Expires": format_datetime(until, usegmt=True)}


async def add_headers(  # noqa: RUF029 - aiohttp's signals are async
    request: web.Request, response: web.StreamResponse
) -> None:
    """Add the version to every answer under the address of uploads."""
    if request.path.startswith(UPLOADS):
        response.headers["Tus-Resumable"] = VERSION
        if response.status == web.HTTPPreconditionFailed.status_code:
            response.headers["Tus-Version"] = VERSION


def _unreadable(what: str) -> errors.UploadRefused:
    return errors.UploadRefused(f"Upload-Metadata {what}", field="Upload-Metadata")
