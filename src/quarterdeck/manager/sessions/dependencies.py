"""Cancels sessions whose dependencies cannot be met any more. Run by a loop that events wake; placement itself looks at what is met."""

import logging

from quarterdeck.manager.sessions import ports

_log = logging.getLogger(__name__)


class Dependencies:
    """Keeps no state: each run looks at all that wait."""

    def __init__(self, dependents: ports.Dependents) -> None:
        self._dependents = dependents

    async def run(self) -> None:
        """Cancel until there is nothing more: what was cancelled dooms those that wait for it."""
        while cancelled := await self._dependents.cancel_doomed():
            _log.info("dependents-cancelled", extra={"sessions": list(cancelled)})
