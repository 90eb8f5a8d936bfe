"""The messages of one link: counted, recorded, and one of them stopped. Inside the proxy; fed by `relay`, used by `line`.

A message is all that one side of a connection sends until the other one sends something: a request, an answer, or several
of them at once, if nobody waits for an answer in between.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

RECORDED_MAX = 500
TEXT_BYTES = 80
FORTH, BACK = "forth", "back"


@dataclass(frozen=True)
class Stopped:
    """A message that does not go on for now, nor anything else in its direction of its connection."""

    told: dict[str, Any]
    deliver: Callable[[], None]
    lose: Callable[[], None]
    repeat: Callable[[], None]


class Messages:
    """Numbers count from when `watch` was called last, the first one is 1."""

    def __init__(self) -> None:
        self.recorded: list[dict[str, Any]] = []
        self.stopped: Stopped | None = None
        self._count = 0
        self._stop_at = 0
        self._watching = False

    def watch(self, stop_at: int) -> None:
        """Count and record from now on, and stop the message of this number; 0: none."""
        self.recorded, self._count, self._stop_at, self._watching = [], 0, stop_at, True

    def unwatch(self) -> None:
        """Count no more; what is stopped goes on."""
        self._watching = False
        if self.stopped is not None:
            self.stopped.deliver()
            self.stopped = None

    def begins(self, direction: str, data: bytes) -> dict[str, Any] | None:
        """Take note of a message by its first bytes; what is told of it, if it is the one to be stopped."""
        if not self._watching:
            return None
        self._count += 1
        told = {"number": self._count, "direction": direction, "text": readable(data)}
        if len(self.recorded) < RECORDED_MAX:
            self.recorded.append(told)
        return told if self._count == self._stop_at else None


def readable(data: bytes) -> str:
    """The beginning of a message as one line of printable ASCII; what else it holds becomes spaces. Pure."""
    text = "".join(chr(one) if 0x20 < one < 0x7F else " " for one in data[:TEXT_BYTES])
    return " ".join(text.split())
