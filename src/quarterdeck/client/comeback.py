"""When to ask again after an exchange broke off, how long to wait before, and when to give up. No input or output here."""

from quarterdeck.client.errors import ClientError, OutcomeUnknown, Refused, Unreachable

RETRY_SECONDS_MIN = 0.05
RETRY_SECONDS_MAX = 2.0
AWAY_SECONDS_MAX = 60.0
"""A platform that cannot be reached for so long is given up."""

_PASSING = frozenset({429, 500, 502, 503, 504})


class Comeback:
    """One conversation with the platform, of requests that may be repeated."""

    def __init__(self) -> None:
        self._failures = 0
        self._away_since: float | None = None
        self._seen = False

    def answered(self) -> None:
        """Take in that the platform is there."""
        self._failures, self._away_since, self._seen = 0, None, True

    def pause(self, error: ClientError | None, now: float) -> float:
        """Return how many seconds to wait before asking again, after an error or an answer that broke off.

        Raises the error if waiting does not help: a refusal, a platform that never answered or has not for `AWAY_SECONDS_MAX`.
        """
        if error is not None:
            if self._away_since is None:
                self._away_since = now
            if not (self._seen and _passes(error)) or now - self._away_since >= AWAY_SECONDS_MAX:
                raise error
        self._failures += 1
        return float(min(RETRY_SECONDS_MIN * 2 ** min(self._failures - 1, 8), RETRY_SECONDS_MAX))


def _passes(error: ClientError) -> bool:
    if isinstance(error, Refused):
        return error.status in _PASSING
    return isinstance(error, (Unreachable, OutcomeUnknown))
