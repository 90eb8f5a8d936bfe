"""Kernels that their agents have not destroyed: what became of an attempt is logged once, and again when it is something else. Used by `removals` and `reconcile`."""

import logging

NOTED_MAX = 1000
"""Of more, those noted first are forgotten: they are logged again."""

_log = logging.getLogger(__name__)


class Staying:
    """What was last said of kernels that stay, logged as `event`."""

    def __init__(self, event: str) -> None:
        self._event = event
        self._noted: dict[str, str] = {}

    def note(self, kernel: str, agent: str, error: Exception) -> None:
        """Take note of what became of the attempt to destroy a kernel."""
        said = repr(error)
        if self._noted.get(kernel) == said:
            return
        self._noted[kernel] = said
        if len(self._noted) > NOTED_MAX:
            del self._noted[next(iter(self._noted))]
        _log.warning(self._event, extra={"agent": agent, "kernel": kernel, "error": said})

    def gone(self, kernel: str) -> None:
        """Forget a kernel: it stays no more."""
        self._noted.pop(kernel, None)
