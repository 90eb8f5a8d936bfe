"""Paths inside a tree, limits and byte ranges: pure values and decisions, no I/O. Every input from outside is judged here."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

import msgspec

from quarterdeck.base import ids
from quarterdeck.storage_proxy import errors
from quarterdeck.wire import limits as wire_limits
from quarterdeck.wire.errors import Invalid

TreePath = tuple[str, ...]
"""Names from the root of a tree downwards; `()` is the root. Each is safe by itself: made by `parse` only."""

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})\Z")
_DECODES_MAX = 8
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\Z")
"""A name that every reader reads as it stands."""


@dataclass(frozen=True)
class Limits:
    """How long, deep and many. What is at a limit passes, what is over it is refused."""

    name_bytes_max: int = 255
    path_bytes_max: int = 900
    depth_max: int = 32
    directory_entries_max: int = 10_000
    listing_entries_max: int = 10_000
    file_bytes_max: int = 100 * 1024**3
    parts_max: int = 64
    uploads_max: int = 100
    transfers_max: int = 32
    search_entries_max: int = 100_000
    copy_entries_max: int = 100_000


@dataclass(frozen=True)
class Span:
    """A stretch of a file: `start` and `length` in bytes."""

    start: int
    length: int


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """An upload in pieces, as its beginning told. It is kept in a volume in this form."""

    id: str
    path: TreePath
    """Where the file will be; empty for a part, which is no file by itself."""
    size: int
    expires_at: float
    """In seconds since 1970."""
    sha256: str | None = None
    """Of the whole, in hexadecimal; empty: it follows with the last piece; None: nobody compares."""
    crc32: str | None = None
    """The same in its place."""
    source: str = ""
    """By what a client knows its own file again."""
    metadata: str = ""
    """The header `Upload-Metadata`, as it came."""

    @property
    def promised(self) -> tuple[str, str] | None:
        """By which algorithm the whole is compared, and with what in hexadecimal, nothing if that follows; None if nobody compares."""
        if self.sha256 is not None:
            return "sha256", self.sha256
        return None if self.crc32 is None else ("crc32", self.crc32)

    @property
    def part(self) -> bool:
        """Whether this is a part, to be joined with others."""
        return not self.path


def tree_id(text: str) -> str:
    """Return the text if it is an id, as each tree's name is. Raises `Invalid`."""
    if not ids.is_id(text):
        raise Invalid("tree", "the id of a tree is a UUID")
    return text


def scope(text: str) -> str:
    """Return the text if it may name a quota scope. Raises `Invalid`."""
    try:
        return msgspec.convert(text, wire_limits.Name)
    except msgspec.ValidationError:
        raise Invalid(
            "scope", "a scope is 1 to 63 lower-case letters, digits and hyphens"
        ) from None


def decode(raw: str, limits: Limits) -> TreePath:
    """Return the path that a URL carries in percent-encoding: `a/b%20c`. Raises `PathRefused` and its kin."""
    return _path([_decoded(part) for part in raw.split("/")], limits)


def parse(text: str, limits: Limits) -> TreePath:
    """Return the path that plain text names: `a/b c`; the empty text is the root. Raises `PathRefused` and its kin."""
    return _path(text.split("/"), limits) if text else ()


def render(path: Sequence[str]) -> str:
    """Return the path as plain text."""
    return "/".join(path)


def encode(path: Sequence[str]) -> str:
    """Return the path in percent-encoding, as a URL carries it."""
    return "/".join(quote(name, safe="") for name in path)


def span(header: str | None, size: int) -> Span | None:
    """Return the stretch that a `Range` header asks for in a file of `size` bytes, None for the whole file.

    One range is served; a header that asks for several, or makes no sense, is passed over as HTTP allows.
    Raises `RangeUnsatisfiable`.
    """
    match = _RANGE.match(header.strip()) if header else None
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if first == "":
        length = min(int(last), size)
        start = size - length
    else:
        start = int(first)
        length = min(int(last) + 1 if last else size, size) - start
        if last and int(last) < start:
            return None
    if length <= 0:
        raise errors.RangeUnsatisfiable(size)
    return Span(start, length)


def _path(parts: Sequence[str], limits: Limits) -> TreePath:
    if len(parts) > limits.depth_max:
        raise errors.PathTooLong(f"a path has at most {limits.depth_max} parts", field="path")
    for part in parts:
        _judge(part, limits)
    if len(render(parts).encode()) > limits.path_bytes_max:
        raise errors.PathTooLong(f"a path has at most {limits.path_bytes_max} bytes", field="path")
    return tuple(parts)


def _judge(name: str, limits: Limits) -> None:
    if _PLAIN.match(name) and len(name) <= limits.name_bytes_max:
        return
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        raise errors.PathRefused("a path is text in UTF-8", field="path") from None
    if length > limits.name_bytes_max:
        raise errors.PathTooLong(f"a name has at most {limits.name_bytes_max} bytes", field="path")
    for reading in _readings(name):
        if reading in {"", ".", ".."} or "/" in reading or _looks_upwards(reading):
            raise errors.PathRefused(
                "a path goes downwards from the root of its tree", field="path"
            )
        if any(ord(character) < 32 or ord(character) == 127 for character in reading):
            raise errors.PathRefused("a path has no control characters", field="path")


def _looks_upwards(reading: str) -> bool:
    """Tell whether a reader who takes look-alikes for what they look like, or backslashes for slashes, would leave the directory."""
    alike = unicodedata.normalize("NFKC", reading).replace("\\", "/")
    return alike != reading and not {"", ".", ".."}.isdisjoint(
        part for again in _readings(alike) for part in again.split("/")
    )


def _readings(name: str) -> list[str]:
    """Return the name and what it becomes when it is decoded again and again, as a careless reader further on might do."""
    readings = [name]
    while len(readings) < _DECODES_MAX:
        again = unquote_to_bytes(readings[-1]).decode(errors="replace")
        if again == readings[-1]:
            return readings
        readings.append(again)
    raise errors.PathRefused("a name is encoded too many times", field="path")


def _decoded(part: str) -> str:
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        raise errors.PathRefused("a path is text in UTF-8", field="path") from None
