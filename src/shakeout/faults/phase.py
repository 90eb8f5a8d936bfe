"""In which phase of a system's life something is done to it: tests say so, `coverage` counts it.

with phase.during(phase.LOAD):
    async with lifecycle.injected(...): ...
"""

import contextlib
import contextvars
from collections.abc import Iterator

from shakeout.timeline import record

BOOT = "boot"
IDLE = "idle"
LOAD = "load"
UNSAID = "unsaid"

current: contextvars.ContextVar[str] = contextvars.ContextVar("shakeout_phase", default=UNSAID)


@contextlib.contextmanager
def during(name: str) -> Iterator[None]:
    """Say for the time of a block which phase it is, also to the recording of the test."""
    token = current.set(name)
    try:
        with record.span("step", name, phase=name):
            yield
    finally:
        current.reset(token)
