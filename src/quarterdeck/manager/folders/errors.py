"""What can be wrong with a folder or with the storage below it.

QuarterdeckError
├── FolderNotFound
├── FolderNameTaken
├── FolderMounted
├── FolderNotReady
├── HostNotFound
├── HostNotMountable
├── OwnerGone           the user was deleted while the request was under way
├── CreationGivenUp     the folder took so long that it was given up
└── StorageFailure      a call to a storage-proxy did not succeed
    ├── StorageUnreachable   it was not done
    │   └── RegistryAway     nobody can say where the storage is
    ├── StorageUnsure        it may have been done
    └── StorageRefused       the storage-proxy said no
        └── StorageFull
"""

from quarterdeck.base.errors import QuarterdeckError


class FolderNotFound(QuarterdeckError):
    """There is no such folder."""

    code = "folder-not-found"


class FolderNameTaken(QuarterdeckError):
    """A folder has this name."""

    code = "folder-name-taken"


class FolderMounted(QuarterdeckError):
    """A live session mounts the folder."""

    code = "folder-mounted"


class FolderNotReady(QuarterdeckError):
    """The folder is still being created."""

    code = "illegal-transition"


class HostNotFound(QuarterdeckError):
    """There is no such storage host."""

    code = "host-not-found"


class HostNotMountable(QuarterdeckError):
    """Folders of this storage host cannot be mounted."""

    code = "host-not-mountable"


class OwnerGone(QuarterdeckError):
    """The user was deleted."""

    code = "key-inactive"


class CreationGivenUp(QuarterdeckError):
    """The creation took too long and was given up; nothing is left of it."""

    code = "unavailable"


class StorageFailure(QuarterdeckError):
    """A call to a storage-proxy did not succeed."""

    code = "storage-unreachable"


class StorageUnreachable(StorageFailure):
    """The storage cannot be reached; nothing was done."""


class RegistryAway(StorageUnreachable):
    """Where the storage is cannot be looked up now; nothing was done."""

    code = "unavailable"


class StorageUnsure(StorageFailure):
    """The storage gave no clear answer."""


class StorageRefused(StorageFailure):
    """The storage refused."""


class StorageFull(StorageRefused):
    """The storage is full."""

    code = "storage-full"
