"""Who uses a kernel, and for how long nobody has. A use is code that runs or a connection that is open, not a look at it."""

import contextlib
from collections.abc import Callable, Iterator


class Activity:
    """The uses of one kernel, by a clock that never goes back. Begins as used in this moment."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._since = monotonic()
        self._uses = 0

    def begin(self) -> None:
        """Somebody uses the kernel from now on, until `end`."""
        self._uses += 1

    def end(self) -> None:
        """Somebody has used it until now."""
        self._uses -= 1
        self._since = self._monotonic()

    @contextlib.contextmanager
    def using(self) -> Iterator[None]:
        """Use the kernel for the time of a block."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    @property
    def idle_seconds(self) -> float | None:
        """For how long nobody has used it; None: somebody does."""
        return None if self._uses else self._monotonic() - self._since
