"""What can go wrong in the storage-proxy; the codes' statuses are in `quarterdeck.wire.problem`.

QuarterdeckError
└── StorageError
    ├── PathRefused          the path may not be used: it escapes, or a part of it is no plain file or directory
    │   └── PathTooLong      a name is too long, or the whole path, or it has too many names
    ├── HostNotFound         no volume of that name here
    ├── TreeNotFound         no tree of that id in the volume
    ├── FileNotFound         nothing at that path
    ├── IsDirectory          a directory is where a file is needed
    ├── NotDirectory         a file is where a directory is needed
    ├── PathTaken            something is where a file or directory was to be put
    ├── FileBusy             a kernel keeps writing into what is to be copied
    ├── TooManyEntries       a directory, a listing, a search or a copy is at its limit
    ├── HostNotMountable     the volume cannot be mounted into a kernel
    ├── ChecksumMismatch     the bytes are not those that the client announced
    ├── UploadIncomplete     the client went away before the last byte
    ├── UploadNotFound       no upload of that id in the tree
    ├── UploadExpired        the upload took too long
    ├── UploadBusy           somebody else writes the upload
    ├── UploadRefused        the request does not keep to the protocol of uploads in pieces
    ├── UploadsUnsupported   the volume takes files as a whole only
    ├── TooManyUploads       the tree has too many uploads under way
    ├── TooManyTransfers     the user has too many transfers at once
    ├── OffsetDiffers        a piece is not the one that comes next
    ├── PieceDamaged         a piece is not what its checksum says
    ├── FileTooLarge         no file may be as large
    ├── PreconditionFailed   the file is not in the version that was expected
    ├── StorageFull          no space
    ├── QuotaExceeded        the scope of the tree has no more bytes or inodes to give
    ├── QuotaUnsupported     the volume counts nothing
    ├── TurnPassed           a later request has said whose the tree is
    ├── StorageReadOnly      the volume takes no writes
    ├── StorageUnavailable   the store behind the volume does not answer
    ├── RangeUnsatisfiable   the range starts behind the end of the file
    ├── SecretRefused        the manager API's shared secret is missing or wrong
    └── RightMissing         the token is good and does not allow this
"""

from quarterdeck.base.errors import QuarterdeckError


class StorageError(QuarterdeckError):
    """The storage-proxy cannot do this."""


class PathRefused(StorageError):
    """This path is not allowed."""

    code = "path-refused"


class PathTooLong(PathRefused):
    """The path is too long."""

    code = "path-too-long"


class HostNotFound(StorageError):
    """This storage-proxy has no such storage host."""

    code = "host-not-found"


class TreeNotFound(StorageError):
    """The storage host has no such tree."""

    code = "tree-not-found"


class FileNotFound(StorageError):
    """There is nothing at this path."""

    code = "file-not-found"


class IsDirectory(StorageError):
    """There is a directory at this path."""

    code = "is-a-directory"


class NotDirectory(StorageError):
    """A part of this path is a file, not a directory."""

    code = "not-a-directory"


class PathTaken(StorageError):
    """There is something at this path already."""

    code = "path-taken"


class FileBusy(StorageError):
    """A file changes while it is copied, or is leased; try again when nobody writes into it."""

    code = "file-busy"


class TooManyEntries(StorageError):
    """The directory has too many entries."""

    code = "too-many-entries"


class HostNotMountable(StorageError):
    """This storage host cannot be mounted."""

    code = "host-not-mountable"


class ChecksumMismatch(StorageError):
    """The content received has another SHA-256 than announced; nothing was kept."""

    code = "checksum-mismatch"


class UploadIncomplete(StorageError):
    """The upload ended before its last byte; nothing was kept."""

    code = "upload-incomplete"


class UploadNotFound(StorageError):
    """There is no such upload."""

    code = "upload-not-found"


class UploadExpired(StorageError):
    """The upload took too long; nothing of it was kept."""

    code = "upload-expired"


class UploadBusy(StorageError):
    """Another request writes this upload."""

    code = "upload-busy"


class UploadRefused(StorageError):
    """The request does not keep to the protocol of uploads."""

    code = "upload-refused"


class UploadsUnsupported(StorageError):
    """This storage host takes files as a whole only."""

    code = "uploads-unsupported"


class TooManyUploads(StorageError):
    """Too many uploads are under way."""

    code = "too-many-uploads"


class TooManyTransfers(StorageError):
    """Too many transfers at once."""

    code = "too-many-transfers"


class OffsetDiffers(StorageError):
    """The piece is not the one that comes next; nothing was written."""

    code = "offset-differs"

    def __init__(self, offset: int) -> None:
        """Name how many bytes are kept."""
        super().__init__(f"the next piece begins at byte {offset}", field="Upload-Offset")
        self.offset = offset


class PieceDamaged(StorageError):
    """The piece is not what its checksum says; nothing of it was kept."""

    code = "piece-damaged"


class FileTooLarge(StorageError):
    """The file is too large."""

    code = "file-too-large"


class PreconditionFailed(StorageError):
    """The file is not in the version that was expected."""

    code = "precondition-failed"


class StorageFull(StorageError):
    """The storage host has no space left; nothing was kept."""

    code = "storage-full"


class QuotaExceeded(StorageError):
    """The quota is used up; nothing was kept."""

    code = "quota-exceeded"


class QuotaUnsupported(StorageError):
    """This storage host has no quotas."""

    code = "quota-unsupported"


class TurnPassed(StorageError):
    """A later request has said whose this tree is."""

    code = "turn-passed"


class StorageReadOnly(StorageError):
    """The storage host takes no writes now."""

    code = "storage-read-only"


class StorageUnavailable(StorageError):
    """The store behind this storage host does not answer."""

    code = "unavailable"


class RangeUnsatisfiable(StorageError):
    """The range asked for starts behind the end of the file."""

    code = "range-not-satisfiable"

    def __init__(self, size: int) -> None:
        """Name the file's size in bytes."""
        super().__init__(f"the file has {size} bytes", field="Range")
        self.size = size


class SecretRefused(StorageError):
    """The shared secret is missing or wrong."""

    code = "unauthenticated"


class RightMissing(StorageError):
    """The storage token does not allow this."""

    code = "forbidden"
