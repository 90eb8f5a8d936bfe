"""What can be wrong with a history.

HistoryError
├── HistoryFull         more operations than it is bounded to: without the rest no verdict would hold
└── HistoryUnreadable   a file does not hold a history
"""

from pathlib import Path


class HistoryError(Exception):
    """A history cannot be had."""


class HistoryFull(HistoryError):
    """More operations than the history is bounded to."""

    def __init__(self, operations_max: int) -> None:
        super().__init__(
            f"the history holds {operations_max} operations and takes no more: without all of them no verdict would hold"
        )
        self.operations_max = operations_max


class HistoryUnreadable(HistoryError):
    """A file does not hold a history."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}")
        self.path = path
        self.line = line
