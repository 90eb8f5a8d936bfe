"""What can be wrong with a user or with who a request says it is from.

QuarterdeckError
├── UserNotFound
├── UserNameTaken
├── UserBusy
├── KeyInactive
└── Forbidden
"""

from quarterdeck.base.errors import QuarterdeckError


class UserNotFound(QuarterdeckError):
    """There is no such user."""

    code = "user-not-found"


class UserNameTaken(QuarterdeckError):
    """A user has this name."""

    code = "user-name-taken"


class UserBusy(QuarterdeckError):
    """The user has live sessions."""

    code = "user-busy"


class KeyInactive(QuarterdeckError):
    """The access key is not active."""

    code = "key-inactive"


class Forbidden(QuarterdeckError):
    """Only an administrator may do this."""

    code = "forbidden"
