"""What can be wrong with a message.

QuarterdeckError
├── Invalid             a body, query or path does not fit its type
├── Unauthenticated     no usable credentials
│   ├── SignatureMismatch
│   ├── DateSkewed
│   ├── TokenInvalid
│   └── TokenExpired
"""

from typing import Literal

from quarterdeck.base.errors import QuarterdeckError

InvalidCode = Literal["invalid-field", "unknown-field", "missing-field", "malformed-json"]


class Invalid(QuarterdeckError):
    """The input does not fit."""

    code = "invalid-field"

    def __init__(
        self, field: str | None, detail: str, *, code: InvalidCode = "invalid-field"
    ) -> None:
        """Name the field by its dotted path (`slots.cpu`, `mounts.0.path`; None: the whole input)."""
        super().__init__(detail, field=field)
        self.code = code  # type: ignore[misc]  # one class, four conditions: all mean "mend your input"


class Unauthenticated(QuarterdeckError):
    """The request carries no usable credentials."""

    code = "unauthenticated"


class SignatureMismatch(Unauthenticated):
    """The signature does not fit the request."""

    code = "signature-mismatch"


class DateSkewed(Unauthenticated):
    """The request's date is too far from now."""

    code = "date-skewed"


class TokenInvalid(Unauthenticated):
    """The token is not valid."""

    code = "token-invalid"


class TokenExpired(Unauthenticated):
    """The token has expired."""

    code = "token-expired"
