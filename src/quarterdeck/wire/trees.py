"""What may be asked about a file tree on the wire, beyond the content of files: arranging it, searching it, its quota."""

from typing import Annotated

import msgspec
from msgspec import Meta

from quarterdeck.wire import limits
from quarterdeck.wire.folders import FileEntry

PATTERN_CHARACTERS_MAX = 256
FOUND_MAX = 1000
QUOTA_MAX = (1 << 63) - 1

_Many = Annotated[int, Meta(ge=0, le=QUOTA_MAX)]


class PathGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A path in a tree. The storage-proxy judges it."""

    path: str


class FromTo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is moved or copied, and the path that it gets: nothing may be there."""

    source: str
    target: str


class SearchQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to look for below `path`: names if the pattern has no slash, else paths; `**` is any number of directories."""

    pattern: Annotated[str, Meta(min_length=1, max_length=PATTERN_CHARACTERS_MAX)]
    path: str = ""
    limit: Annotated[int, Meta(ge=1, le=FOUND_MAX)] = 100


class Found(msgspec.Struct, frozen=True):
    """What a search found, by path; `more` tells that there is more than was asked for."""

    items: list[FileEntry]
    more: bool


class TreeCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """To which quota scope a new tree belongs; none: what is in it is not counted."""

    scope: limits.Name | None = None


class TreeClone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tree that becomes the copy of another one, and its quota scope."""

    tree: limits.Id
    scope: limits.Name | None = None


class TreeScope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The quota scope that a tree shall count for. Of several requests the one of the latest turn counts, in whatever order they arrive.

    Unless it `must_fit`, it counts there even if that is more than the scope may hold.
    """

    scope: limits.Name
    turn: _Many
    must_fit: bool = True


class QuotaLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much the trees of a scope may hold together: bytes of files, and inodes (files and directories). None: no limit."""

    bytes: _Many | None
    inodes: _Many | None


class QuotaView(msgspec.Struct, frozen=True):
    """The limits of a scope, and what its trees hold: `bytes_used`, `inodes_used`."""

    limits: QuotaLimits
    bytes_used: int
    inodes_used: int
