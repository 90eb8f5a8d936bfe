"""What can go wrong between processes.

QuarterdeckError
├── BodyTooLarge, UnsupportedMediaType     a request that this server does not read
├── NoHandshake                            a request without the handshake of a WebSocket
├── RemoteError                            a call to another component did not end well
│   ├── Refused                            it answered with a problem: nothing was done
│   ├── HandshakeRefused                   it refused the handshake of a WebSocket
│   ├── Unreachable                        it never got the request: nothing was done
│   └── OutcomeUnknown                     it may have done it or not: ask it
├── RegistryError                          a container registry did not give what was asked for
│   ├── RegistryUnreachable                nobody answers, not in time, or with an error of its own
│   ├── RegistryUnauthorized               it does not let us in
│   ├── RegistryMisbehaves                 it does not keep to the protocol
│   ├── RepositoryNotFound, ManifestNotFound, BlobNotFound
│   └── DigestMismatch                     the content is not what its digest says
└── Unavailable                            a service we depend on does not answer
    ├── DatabaseUnavailable, RedisUnavailable, EtcdUnavailable, ObjectStoreUnavailable
    ├── BucketMissing                      an object store that has no such bucket
    ├── BrokenOff                          the database went away in the middle: it may be done or not
    ├── Contended                          a transaction lost against another, nothing was done
    └── Locked                             a lock was not to be had in time, nothing was done
"""

from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.wire.problem import Problem


class BodyTooLarge(QuarterdeckError):
    """The body is too large."""

    code = "body-too-large"


class UnsupportedMediaType(QuarterdeckError):
    """The body must be application/json, not compressed."""

    code = "unsupported-media-type"


class NoHandshake(QuarterdeckError):
    """The request must be the handshake of a WebSocket."""

    code = "upgrade-required"


class RemoteError(QuarterdeckError):
    """A call to another component did not end well."""


class Refused(RemoteError):
    """The other component refused."""

    def __init__(self, problem: Problem) -> None:
        """Keep the problem it answered with."""
        super().__init__(f"{problem.code}: {problem.detail}", field=problem.field)
        self.problem = problem


class HandshakeRefused(RemoteError):
    """The other component refused a WebSocket."""

    def __init__(self, status: int) -> None:
        """Keep the HTTP status that it answered."""
        super().__init__(f"It answered the handshake with {status}")
        self.status = status


class Unreachable(RemoteError):
    """The other component cannot be reached."""

    code = "unavailable"


class OutcomeUnknown(RemoteError):
    """The other component may have done it or not."""

    code = "outcome-unknown"


class Unavailable(QuarterdeckError):
    """A service we depend on does not answer."""

    code = "unavailable"


class DatabaseUnavailable(Unavailable):
    """The database does not answer."""


class BrokenOff(DatabaseUnavailable):
    """The database went away while something was under way: it may have been done or not."""


class Locked(Unavailable):
    """Others hold for long what this needs; nothing was done, try again."""


class Contended(Unavailable):
    """Others change the same at this moment; nothing was done, try again."""


class RedisUnavailable(Unavailable):
    """Redis does not answer."""


class EtcdUnavailable(Unavailable):
    """etcd does not answer."""


class ObjectStoreUnavailable(Unavailable):
    """The object store does not answer."""


class ObjectExists(QuarterdeckError):
    """Something has the key that was to be new."""


class BucketMissing(ObjectStoreUnavailable):
    """The object store has no such bucket."""

    code = "bucket-missing"


class RegistryError(QuarterdeckError):
    """The registry did not give what was asked for."""

    code = "registry-misbehaves"


class RegistryUnreachable(RegistryError):
    """The registry cannot be reached."""

    code = "registry-unreachable"


class RegistryUnauthorized(RegistryError):
    """The registry does not let us in."""

    code = "registry-unauthorized"


class RegistryMisbehaves(RegistryError):
    """The registry does not keep to the protocol."""


class RepositoryNotFound(RegistryError):
    """The registry has no such repository."""

    code = "manifest-not-found"


class ManifestNotFound(RegistryError):
    """The registry has no such image."""

    code = "manifest-not-found"


class BlobNotFound(RegistryError):
    """The registry lacks a part of the image."""

    code = "manifest-not-found"


class DigestMismatch(RegistryError):
    """The content is not what its digest says."""

    code = "digest-mismatch"
