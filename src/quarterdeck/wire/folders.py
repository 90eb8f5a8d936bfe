"""Folders and files on the wire: the manager's folders, grants for the storage-proxy, and the storage-proxy's answers."""

import enum
from datetime import datetime

import msgspec

from quarterdeck.wire import limits


class Right(enum.StrEnum):
    """What a grant allows; write includes read."""

    READ = "read"
    WRITE = "write"


class FolderStatus(enum.StrEnum):
    """Where a folder is in its life."""

    CREATING = "CREATING"
    READY = "READY"
    DELETING = "DELETING"


class FolderCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request for a folder on a storage host."""

    name: limits.Name
    host: limits.Name = "local"


class FolderView(msgspec.Struct, frozen=True, kw_only=True):
    """A folder as its owner sees it."""

    id: str
    name: str
    owner: str
    host: str
    status: FolderStatus
    created_at: datetime


class TokenRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request for access to a folder's files."""

    right: Right


class StorageGrant(msgspec.Struct, frozen=True):
    """Access to one folder's files: the storage-proxy's client API, a bearer token, and when the token ends."""

    url: str
    token: str
    expires_at: datetime


class FileKind(enum.StrEnum):
    """What is at a path."""

    FILE = "file"
    DIRECTORY = "directory"
    OTHER = "other"


class FileEntry(msgspec.Struct, frozen=True):
    """Something in a tree: path relative to it, size in bytes."""

    path: str
    kind: FileKind
    size: int
    modified_at: datetime


class FileWritten(msgspec.Struct, frozen=True):
    """A file that was written: its entry and the SHA-256 of its content in hexadecimal."""

    entry: FileEntry
    sha256: str


class FilesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which files to list: those below `path` (empty: the tree's root), with `recursive` at any depth."""

    path: limits.RelativePath | None = None
    recursive: bool = False


class TreePath(msgspec.Struct, frozen=True):
    """Where a tree is on hosts that mount its volume."""

    path: str


class HostView(msgspec.Struct, frozen=True):
    """A storage host: a named volume of a storage-proxy."""

    name: str
    kind: str
    mountable: bool
    abilities: tuple[str, ...] = ()


class StorageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A storage-proxy's registration in etcd: where clients and managers reach it, which hosts it serves."""

    id: str
    client_url: str
    manager_url: str
    hosts: tuple[str, ...]
