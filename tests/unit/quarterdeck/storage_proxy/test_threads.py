"""Calls that block have threads of a volume's own, and long ones other threads than short ones."""

import asyncio
import contextlib
import threading

import pytest

from quarterdeck.storage_proxy import errors
from quarterdeck.storage_proxy.volumes.threads import Threads
from shakeout.waiting.until import until

LONG = 50


def missing():
    raise FileNotFoundError


async def test_short_calls_do_not_wait_for_long_ones():
    """Whatever is long takes no thread from what is short. Begin far more long calls than there are threads; a short one ends meanwhile."""
    over, begun = threading.Event(), threading.Event()

    def long():
        begun.set()
        over.wait()

    with contextlib.closing(Threads()) as threads, contextlib.ExitStack() as stack:
        stack.callback(over.set)
        running = [
            asyncio.get_running_loop().create_task(threads.run_long(long)) for _ in range(LONG)
        ]
        await until(begun.is_set, within=10, satisfied=bool)
        async with asyncio.timeout(10):
            assert await threads.run(int) == 0
        assert not any(each.done() for each in running)
        over.set()
        for each in running:
            await each


async def test_what_the_file_system_answers_is_a_condition():
    """Both kinds of calls end in conditions of the storage-proxy."""
    with contextlib.closing(Threads()) as threads:
        for run in (threads.run, threads.run_long):
            with pytest.raises(errors.FileNotFound):
                await run(missing)
