"""A completion as its agent holds it: the user's objects are asked for their names, and one that takes too long is interrupted. Used by `process`."""

import asyncio
from collections.abc import Callable

from quarterdeck.agent.kernels import messages
from quarterdeck.wire.executions import Complete, Completion

SECONDS_MAX = 3.0
AGAIN_SECONDS = 1.0
"""The pause between two interrupts: code may swallow one."""


class Completing:
    """One completion under way. `interrupt` is called when time is up, and again and again until `end`."""

    def __init__(self, given: Complete, interrupt: Callable[[], None]) -> None:
        self._given = given
        self._interrupt = interrupt
        self._late = False
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[Completion | None] = self._loop.create_future()
        self._timer = self._loop.call_later(SECONDS_MAX, self._hurry)

    async def answer(self) -> Completion | None:
        """Return what was found, or nothing with the reason if it took too long; None: the kernel has ended."""
        await asyncio.wait((self._answer,))  # so that a caller who goes away leaves it waiting
        return self._answer.result()

    def end(self, found: messages.Completed | None) -> None:
        """Take note of what was found; None: the kernel has ended."""
        self._timer.cancel()
        if found is None:
            self._tell(None)
        elif self._late:
            self._tell(self._nothing())
        else:
            self._tell(Completion(found.matches, found.start, found.end))

    def _hurry(self) -> None:
        if self._late:  # the first interrupt was in vain: whoever asked waits no longer
            self._tell(self._nothing())
        self._late = True
        self._interrupt()
        self._timer = self._loop.call_later(AGAIN_SECONDS, self._hurry)

    def _tell(self, answer: Completion | None) -> None:
        if not self._answer.done():
            self._answer.set_result(answer)

    def _nothing(self) -> Completion:
        at = len(self._given.code) if self._given.cursor is None else self._given.cursor
        reason = f"interrupted: an object took more than {SECONDS_MAX:g} s to tell its names"
        return Completion((), at, at, reason=reason)
