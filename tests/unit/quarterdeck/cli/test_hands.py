"""Copies at once: results come in order, few are under way, and nothing is begun after an error or when nobody listens."""

import contextlib
import io
import threading

import pytest

from quarterdeck.base.clock import SystemClock
from quarterdeck.cli.console import Console
from quarterdeck.cli.hands import HANDS_MAX, Hands
from quarterdeck.cli.progress import Bar
from quarterdeck.client import sending
from quarterdeck.client.files import Copy
from quarterdeck.client.request import Credentials, Prepared
from quarterdeck.client.transport import Stopped, Transport

SECONDS_MAX = 10.0


@pytest.fixture
def transport():
    """One that is never connected."""
    return Transport(Credentials("http://127.0.0.1:9", "QDAK" + "A" * 20, "secret"), SystemClock())


def nothing():
    """Look at nothing."""


def test_results_come_in_order_however_they_end(transport):
    """Let the first end after all others; it is the first to be given."""
    others = threading.Semaphore(0)

    def do(_, number):
        if number:
            others.release()
        else:
            for _ in range(9):
                assert others.acquire(timeout=SECONDS_MAX)
        return number

    assert list(Hands(transport, range(10), do).results(nothing)) == list(range(10))


def test_few_are_under_way_and_all_hands_have_work(transport):
    """Let each wait until as many are under way as can be; none waits in vain, and there is never one more."""
    together, under_way, seen = threading.Barrier(HANDS_MAX), [], []

    def do(_, number):
        under_way.append(number)
        seen.append(len(under_way))
        together.wait(SECONDS_MAX)
        under_way.remove(number)

    list(Hands(transport, range(2 * HANDS_MAX), do).results(nothing))
    assert max(seen) == HANDS_MAX


def test_first_error_ends_all(transport):
    """Fail with the first while the others are held; what is under way ends, what nobody has begun is never begun."""
    begun, failed = [], threading.Event()

    def do(mine, number):
        begun.append(number)
        if number == 0:
            failed.set()
            raise ValueError("the first")
        assert failed.wait(SECONDS_MAX)
        mine._stopped.wait(0.05)

    with pytest.raises(ValueError, match="the first"):
        list(Hands(transport, range(100), do).results(nothing))
    assert len(begun) <= HANDS_MAX + 1


def test_transfer_that_waits_for_its_next_attempt_is_stopped(transport):
    """Stop listening while a transfer pauses for an hour; it ends at once."""
    ended, begun = [], threading.Event()
    hour = sending.Step(Prepared("GET", "http://127.0.0.1:9", "/", {}, b""), pause=3600.0)

    def do(mine, number):
        if number == 0:
            return number
        begun.set()
        try:
            mine._step(hour)
        except Stopped:
            ended.append(number)
        return number

    results = Hands(transport, range(2), do).results(nothing)
    with contextlib.closing(results):
        assert next(results) == 0
        assert begun.wait(SECONDS_MAX)
    assert ended == [1]


class Terminal(io.StringIO):
    """Somebody looks on."""

    def isatty(self):
        return True


def test_bar_is_of_all_files_together(tmp_path):
    """Tell of two of three files, one of which was half there; the bar has the bytes of all and the number of files."""
    copies = [Copy(tmp_path, name, 100) for name in "abc"]
    seen = Terminal()
    bar = Bar(Console(seen, seen, SystemClock(), as_json=False), SystemClock(), copies)
    bar.show()
    bar.report(copies[0], 50)
    bar.report(copies[0], 100)
    bar.report(copies[1], 100)
    bar.show()
    assert seen.getvalue() == "\r\x1b[K3 files  [#############-------]  67%"
