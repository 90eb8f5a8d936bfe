"""Where `shakeout.waiting.until` gets the log lines that components wrote while it waited.

The runner names the witness of the running test; a wait outside of a test has none.
"""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Protocol


class Witness(Protocol):
    """Somebody who reads the logs of the components that a test uses."""

    def mark(self) -> Mapping[str, int]:
        """The place where each component's log ends now."""

    def since(self, mark: Mapping[str, int]) -> Mapping[str, Sequence[str]]:
        """The lines of each component after that place; bounded, components without lines left out."""


current: ContextVar[Witness | None] = ContextVar("shakeout_witness", default=None)
