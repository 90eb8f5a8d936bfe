"""Stops synchronous test code when a component dies; coroutines are stopped by `shakeout.runner`.

A thread waits for the end of the processes and then interrupts the main thread by SIGURG, which
nobody minds who does not expect it. Only test code is interrupted, never pytest's own.
"""

import contextlib
import os
import select
import signal
import threading
from collections.abc import Iterable, Iterator
from types import FrameType

from shakeout.harness import Harness

SIGNAL = signal.SIGURG
NEWS_SECONDS_MAX = 5.0
"""A process has ended for sure: so long the news of how may take on a busy machine."""


@contextlib.contextmanager
def set_for(harness: Harness, pids: Iterable[int]) -> Iterator[None]:
    """While inside, the end of one of the processes is looked into at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with contextlib.ExitStack() as stack:
        ends = [stack.enter_context(_closing(end)) for end in map(_end_of, pids) if end >= 0]
        stop, stopped = os.pipe2(os.O_CLOEXEC)
        stack.enter_context(_closing(stop))
        thread = threading.Thread(target=_watch, args=(ends, stop), name="shakeout alarm")
        before = signal.signal(SIGNAL, _Handler(harness))
        thread.start()
        try:
            yield
        finally:
            os.close(stopped)
            thread.join()
            signal.signal(SIGNAL, before)


class _Handler:
    def __init__(self, harness: Harness) -> None:
        self._harness = harness

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Raise the death, if it was one that nobody expected."""
        __tracebackhide__ = True
        if self._harness.in_test_code and not self._harness.runner.running:
            death = self._harness.runner.explained(NEWS_SECONDS_MAX)
            if death is not None:
                raise death


def _watch(ends: list[int], stop: int) -> None:
    poll = select.poll()
    for descriptor in (*ends, stop):
        poll.register(descriptor, select.POLLIN)
    while True:
        ready = [descriptor for descriptor, _ in poll.poll()]
        if stop in ready:
            return
        for descriptor in ready:
            poll.unregister(descriptor)
        signal.pthread_kill(threading.main_thread().ident or 0, SIGNAL)


def _end_of(pid: int) -> int:
    """A descriptor that becomes readable when the process ends; -1 if there is none."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1


@contextlib.contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
