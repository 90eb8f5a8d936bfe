"""Sessions as their owners see them, made up for tests of who looks at them."""

from typing import Any

from quarterdeck.testing.fakes.clock import EPOCH
from quarterdeck.wire.sessions import SessionKernel, SessionView, Slots
from quarterdeck.wire.states import SessionStatus


def session(status: SessionStatus, *kernels: SessionKernel, **facts: Any) -> SessionView:
    """Return ada's session `s` in a state, with some kernels, and what else is given of it."""
    given = {"name": None, "owner": "ada", "image": "python:3.11", "slots": Slots(), **facts}
    return SessionView(id="s", status=status, created_at=EPOCH, kernels=kernels, **given)
