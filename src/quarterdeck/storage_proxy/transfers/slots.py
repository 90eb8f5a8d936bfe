"""How many transfers each user has at once on this storage-proxy, so that one user cannot take all of it."""

import contextlib
from collections import Counter
from collections.abc import Iterator

from quarterdeck.storage_proxy import errors


class Slots:
    """Counts transfers by whose they are."""

    def __init__(self, each_max: int) -> None:
        self._each_max = each_max
        self._taken: Counter[str] = Counter()

    @contextlib.contextmanager
    def taken(self, whose: str) -> Iterator[None]:
        """Count a transfer for the time of a block. Raises `TooManyTransfers`."""
        if self._taken[whose] >= self._each_max:
            raise errors.TooManyTransfers(f"at most {self._each_max} transfers at once")
        self._taken[whose] += 1
        try:
            yield
        finally:
            self._taken[whose] -= 1
            if not self._taken[whose]:
                del self._taken[whose]
