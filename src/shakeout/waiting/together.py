"""Tasks side by side whose failure is one plain error, as of code that does one thing after the other."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def plainly() -> Iterator[None]:
    """Around a task group: raise the error that came first in place of the group, with what the others say as notes.

    Of errors in the block itself, beside the tasks, the group does not tell when they came: let tasks do what may fail.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        first, *others = group.exceptions
        for other in others:
            first.add_note(f"meanwhile: {type(other).__name__}: {other}")
        raise first from None
