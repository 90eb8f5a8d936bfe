"""Principals by access key, remembered for a moment: a request then needs no query to know who makes it.

The database announces each change of a key pair; an announcement that is lost costs at most `SECONDS_MAX` of a stale answer.
"""

from collections import OrderedDict

from quarterdeck.base.clock import Clock
from quarterdeck.manager.identity import model

SECONDS_MAX = 2.0
ENTRIES_MAX = 10_000


class Cache:
    """A bounded memory of principals; the least recently used one is forgotten first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: OrderedDict[str, tuple[float, model.Principal]] = OrderedDict()
        self._epoch = 0

    @property
    def epoch(self) -> int:
        """A number that grows whenever something is forgotten; read it before the query whose answer is to be kept."""
        return self._epoch

    def get(self, access_key: str) -> model.Principal | None:
        """Return the principal if it is known well enough."""
        entry = self._entries.get(access_key)
        if entry is None or entry[0] < self._clock.monotonic():
            return None
        self._entries.move_to_end(access_key)
        return entry[1]

    def keep(self, access_key: str, principal: model.Principal, *, epoch: int) -> None:
        """Remember an answer, unless something was forgotten since `epoch`: the answer may be older than that."""
        if epoch != self._epoch:
            return
        self._entries[access_key] = (self._clock.monotonic() + SECONDS_MAX, principal)
        if len(self._entries) > ENTRIES_MAX:
            self._entries.popitem(last=False)

    def forget_all(self) -> None:
        """Forget every key: announcements may have been missed."""
        self._epoch += 1
        self._entries.clear()
