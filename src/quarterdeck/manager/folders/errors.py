"""What can be wrong with a folder, with an invitation to one, or with the storage below it.

QuarterdeckError
├── FolderNotFound      it is not there, or not for who asks
├── FolderNameTaken
├── FolderMounted
├── FolderNotReady      its state does not allow this
├── PermissionMissing   the folder is shared with who asks, for less than this
├── HostForbids         the storage host does not allow this to the role of who asks
├── InvitationNotFound
├── InvitationExists
├── InvitationAnswered
├── TooManyInvitations
├── AdministratorsOnly
├── HostNotFound
├── HostNotMountable
├── OwnerGone           the user was deleted while the request was under way
├── CreationGivenUp     the folder took so long that it was given up
├── TransferGivenUp     the change of owner took so long that it was given up
└── StorageFailure      a call to a storage-proxy did not succeed
    ├── StorageUnreachable   it was not done
    │   └── RegistryAway     nobody can say where the storage is
    ├── StorageUnsure        it may have been done
    └── StorageRefused       the storage-proxy said no
        ├── StorageBrokeOff  it has begun, perhaps, and does nothing more
        │   └── StorageFull
        ├── QuotaExceeded
        ├── QuotaUnsupported
        ├── TreeMissing
        └── FileBusy
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
    """The folder's state does not allow this."""

    code = "illegal-transition"


class PermissionMissing(QuarterdeckError):
    """The folder is shared with you, but not for this."""

    code = "folder-permission-missing"


class HostForbids(QuarterdeckError):
    """The storage host does not allow this to you."""

    code = "host-forbids"


class InvitationNotFound(QuarterdeckError):
    """There is no such invitation."""

    code = "invitation-not-found"


class InvitationExists(QuarterdeckError):
    """The user is invited to the folder already."""

    code = "invitation-exists"


class InvitationAnswered(QuarterdeckError):
    """The invitation is not open any more."""

    code = "illegal-transition"


class TooManyInvitations(QuarterdeckError):
    """The folder has as many invitations as it may have."""

    code = "too-many-invitations"


class AdministratorsOnly(QuarterdeckError):
    """Only an administrator may do this."""

    code = "forbidden"


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


class TransferGivenUp(QuarterdeckError):
    """The change of owner took too long and was given up; the folder is whose it was."""

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


NOT_DONE = (StorageUnreachable, StorageRefused, HostNotFound)
"""After these the storage will do nothing; it has done nothing, but for `StorageBrokeOff`."""


class StorageBrokeOff(StorageRefused):
    """The storage could not do it to its end."""


class StorageFull(StorageBrokeOff):
    """The storage is full."""

    code = "storage-full"


class QuotaExceeded(StorageRefused):
    """The quota is used up."""

    code = "quota-exceeded"


class FileBusy(StorageRefused):
    """A file changes while it is copied."""

    code = "file-busy"


class TreeMissing(StorageRefused):
    """The storage has no files of the folder."""

    code = "tree-not-found"


class QuotaUnsupported(StorageRefused):
    """The storage host counts nothing."""

    code = "quota-unsupported"
