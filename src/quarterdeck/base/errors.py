"""The root of every error that Quarterdeck raises on purpose, and the ones of this package.

QuarterdeckError
└── ConfigInvalid     an environment variable is missing or not usable

Each package subclasses `QuarterdeckError` in its own `errors.py`. The HTTP status of a code is in `quarterdeck.wire.problem`.
"""

from typing import ClassVar


class QuarterdeckError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "internal"
    """Stable code of the condition; a key of `quarterdeck.wire.problem.CATALOGUE`."""

    def __init__(self, detail: str | None = None, *, field: str | None = None) -> None:
        """Say what happened to a person (`detail`; default: the class's docstring) and to which input (`field`, dotted)."""
        self.detail = detail or _first_line(type(self).__doc__)
        self.field = field
        super().__init__(self.detail)


class ConfigInvalid(QuarterdeckError):
    """The configuration is not usable."""

    code = "config-invalid"


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]
