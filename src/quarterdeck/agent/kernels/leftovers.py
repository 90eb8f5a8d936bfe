"""Directories that nobody uses any more and that could not be removed: each is told once, and tried again. Used by `scratch` and `oci.kernels`."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

KEPT_MAX = 256
"""Of more, the others stay until the agent's next life."""
TURNS_MAX = 64
"""An attempt that fails is followed by the next after twice as many turns as before, and these at most."""

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Left:
    path: Path
    pause: int = 1
    turns: int = 1


class Leftovers:
    """What `remove` could not remove, which raises OSError then. The calls block."""

    def __init__(self, remove: Callable[[Path], None]) -> None:
        self._remove = remove
        self._left: list[_Left] = []

    def remove(self, path: Path) -> bool:
        """Remove something that no kernel will ever use; tell whether it is gone. What stays is in the log, and tried again."""
        try:
            self._remove(path)
        except OSError as error:
            extra = {"kernel": path.name, "error": str(error)}
            _log.warning("scratch-leftover-stays", extra=extra)
            if len(self._left) < KEPT_MAX:
                self._left.append(_Left(path))
            return False
        return True

    def try_again(self) -> None:
        """Take a turn: try those whose turn it is."""
        for one in tuple(self._left):
            if self._is_gone(one):
                self._left.remove(one)

    def _is_gone(self, one: _Left) -> bool:
        one.turns -= 1
        if one.turns:
            return False
        try:
            self._remove(one.path)
        except OSError:
            one.pause = one.turns = min(2 * one.pause, TURNS_MAX)
            return False
        _log.info("scratch-leftover-removed", extra={"kernel": one.path.name})
        return True
