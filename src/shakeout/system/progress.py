"""What the boot tells while it goes on; `shakeout up` draws it, the report times it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a member stands."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    STOPPED = "stopped"
    FAILED = "failed"
    IDLE = "idle"
    """Optional, and nobody has asked for it."""


@dataclass(frozen=True)
class Step:
    """A member changed its state."""

    member: str
    state: State
    seconds: float
    """Since the boot of the cluster began."""
    detail: str = ""


Progress = Callable[[Step], None]


def silence(_step: Step) -> None:
    """Tell nobody."""
