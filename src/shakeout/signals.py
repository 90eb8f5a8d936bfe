"""Signals that end a run or a test in order, also while a coroutine runs; see `shakeout.runner`.

Ctrl-C and SIGTERM end the run as a keyboard interrupt: fixtures are torn down, the exit code is
not 0. The alarm of pytest-timeout fails the test that hangs, and only that.
"""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from shakeout.harness import Harness

ENDING = (signal.SIGINT, signal.SIGTERM)
SECOND_ALARM_SECONDS = 5.0  # for a test that does not let itself be cancelled

Handler = Callable[[int, FrameType | None], Any]


class EndOfRun:
    """Handlers for the signals that end a run."""

    def __init__(self, harness: Harness) -> None:
        self._harness = harness
        self._before: dict[signal.Signals, Any] = {}

    def install(self) -> None:
        """Take the signals over, except those that whoever started us wants ignored."""
        for number in ENDING:
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN:
                self._before[number] = before
                signal.signal(number, self._end)

    def remove(self) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()

    def _end(self, number: int, _frame: FrameType | None) -> None:
        __tracebackhide__ = True
        self._harness.ending = True
        self._harness.interrupt(KeyboardInterrupt(signal.Signals(number).name))


def adopt_alarm(harness: Harness) -> None:
    """Let the alarm that pytest-timeout has set stop a coroutine where it waits."""
    before = signal.getsignal(signal.SIGALRM)
    if not callable(before):
        return

    def ring(number: int, frame: FrameType | None) -> None:
        __tracebackhide__ = True
        try:
            before(number, frame)
        except BaseException as error:  # noqa: BLE001 - whatever pytest-timeout fails a test with
            signal.setitimer(signal.ITIMER_REAL, SECOND_ALARM_SECONDS)
            harness.note_tasks()
            harness.interrupt(error)

    signal.signal(signal.SIGALRM, ring)
