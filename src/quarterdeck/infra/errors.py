"""What can go wrong between processes.

QuarterdeckError
├── BodyTooLarge, UnsupportedMediaType     a request that this server does not read
├── RemoteError                            a call to another component did not end well
│   ├── Refused                            it answered with a problem: nothing was done
│   ├── Unreachable                        it never got the request: nothing was done
│   └── OutcomeUnknown                     it may have done it or not: ask it
└── Unavailable                            a service we depend on does not answer
    ├── DatabaseUnavailable, RedisUnavailable, EtcdUnavailable, ObjectStoreUnavailable
    └── Contended                          a transaction lost against another, nothing was done
"""

from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.wire.problem import Problem


class BodyTooLarge(QuarterdeckError):
    """The body is too large."""

    code = "body-too-large"


class UnsupportedMediaType(QuarterdeckError):
    """The body must be application/json, not compressed."""

    code = "unsupported-media-type"


class RemoteError(QuarterdeckError):
    """A call to another component did not end well."""


class Refused(RemoteError):
    """The other component refused."""

    def __init__(self, problem: Problem) -> None:
        """Keep the problem it answered with."""
        super().__init__(f"{problem.code}: {problem.detail}", field=problem.field)
        self.problem = problem


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


class Contended(Unavailable):
    """Others change the same at this moment; nothing was done, try again."""


class RedisUnavailable(Unavailable):
    """Redis does not answer."""


class EtcdUnavailable(Unavailable):
    """etcd does not answer."""


class ObjectStoreUnavailable(Unavailable):
    """The object store does not answer."""
