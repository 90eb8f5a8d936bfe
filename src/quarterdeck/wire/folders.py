"""Folders and files on the wire: the manager's folders, grants for the storage-proxy, and the storage-proxy's answers."""

import enum
from datetime import datetime

import msgspec

from quarterdeck.wire import limits
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.states import FolderStatus

__all__ = ["FolderStatus"]  # from elsewhere, which mypy lets others use only if it is listed


class Right(enum.StrEnum):
    """What a grant allows; write includes read."""

    READ = "read"
    WRITE = "write"


class Permission(enum.StrEnum):
    """What somebody may do with a folder; each includes those before it."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    """Put it into the trash, and take it out again."""
    OWN = "own"
    """Share it, rename it, give it away, remove it for good."""

    def covers(self, other: "Permission") -> bool:
        """Tell whether this is at least as much."""
        order = tuple(Permission)
        return order.index(self) >= order.index(other)


class HostPermission(enum.StrEnum):
    """What a storage host allows to a role."""

    CREATE = "create"
    MODIFY = "modify"
    DELETE = "delete"
    MOUNT = "mount"
    UPLOAD = "upload"
    DOWNLOAD = "download"
    INVITE = "invite"


class FolderCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request for a folder on a storage host."""

    name: limits.Name
    host: limits.Name = "local"


class FolderView(msgspec.Struct, frozen=True, kw_only=True):
    """A folder as whoever asks sees it: `permission` is theirs. `detail` tells why its files could not be removed yet."""

    id: str
    name: str
    owner: str
    owner_name: str = ""
    host: str
    status: FolderStatus
    created_at: datetime
    permission: Permission = Permission.OWN
    cloned_from: str | None = None
    detail: str | None = None


class FolderQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which folders to list: those in use, one's own and those shared with one, or one's own in the trash."""

    trash: bool = False


class FolderDelete(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to delete a folder: into the trash, or for good."""

    purge: bool = False


class FolderChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new name for a folder."""

    name: limits.Name


class FolderClone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request for a folder with the same files, on the same storage host."""

    name: limits.Name


class FolderTransfer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who shall own a folder: a user by name or id."""

    user: limits.Name


class FolderHistoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a folder: of its status, or of its name or owner; then both statuses are the same."""

    seq: int
    folder: str
    from_status: FolderStatus | None
    to_status: FolderStatus
    cause: str
    actor: str
    at: datetime


class InvitationStatus(enum.StrEnum):
    """Where an invitation is in its life; an accepted one is a share."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"
    REVOKED = "REVOKED"
    LEFT = "LEFT"


class FolderInvite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An invitation to a folder: of a user by name or id, to `read`, `write` or `delete`."""

    user: limits.Name
    permission: Permission = Permission.READ

    def __post_init__(self) -> None:
        """Raise `Invalid` for what can only be transferred."""
        if self.permission is Permission.OWN:
            raise Invalid("permission", "A folder is shared to read, write or delete")


class MountingSession(msgspec.Struct, frozen=True, kw_only=True):
    """A live session that mounts a folder."""

    id: str
    name: str | None
    read_only: bool


class InvitationView(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation as both sides see it; users by name.

    When a share was just ended, what goes on: until when tokens are good that were given before, and the sessions that mount the folder.
    """

    id: str
    folder: str
    folder_name: str
    owner: str
    inviter: str
    invitee: str
    permission: Permission
    status: InvitationStatus
    created_at: datetime
    tokens_until: datetime | None = None
    sessions: tuple[MountingSession, ...] = ()


class HostAccess(msgspec.Struct, frozen=True, kw_only=True):
    """A storage host and what it allows to whoever asks."""

    name: str
    permissions: tuple[HostPermission, ...]


class HostPermissions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a storage host shall allow to a role."""

    permissions: tuple[HostPermission, ...]


class TokenRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request for access to a folder's files."""

    right: Right


class StorageGrant(msgspec.Struct, frozen=True):
    """Access to one folder's files: the storage-proxy's client API, a bearer token, when the token ends and how many seconds it lasts."""

    url: str
    token: str
    expires_at: datetime
    seconds: int


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
    """A file that was written: its entry, and the checksum of its content in hexadecimal: SHA-256, or CRC-32 if the client told that one."""

    entry: FileEntry
    sha256: str | None
    crc32: str | None = None


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
