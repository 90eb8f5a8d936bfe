"""Cancels sessions whose dependencies cannot be met any more. Run by a loop that events wake; placement itself looks at what is met."""

import logging
from collections.abc import Sequence
from typing import Protocol

_log = logging.getLogger(__name__)


class Dependents(Protocol):
    """Sessions that wait for others."""

    async def cancel_doomed(self) -> Sequence[str]:
        """Cancel sessions that wait for one that has failed or was cancelled; return them. None: there is none more."""
        ...


class Dependencies:
    """Keeps no state: each run looks at all that wait."""

    def __init__(self, dependents: Dependents) -> None:
        self._dependents = dependents

    async def run(self) -> None:
        """Cancel until there is nothing more: what was cancelled dooms those that wait for it."""
        while cancelled := await self._dependents.cancel_doomed():
            _log.info("dependents-cancelled", extra={"sessions": list(cancelled)})
