"""A wake coalesces, a loop outlives the errors of its steps, background work ends with its block."""

import asyncio
import logging
import threading

import pytest

from quarterdeck.base import tasks


async def test_wake_coalesces_and_is_off_after_a_wait():
    wake = tasks.Wake()
    wake.set()
    wake.set()
    assert await wake.wait(1)
    assert not await wake.wait(0)


async def test_wake_wakes_all_who_wait_and_none_who_has_left():
    """Two wait and one gives up before the alarm; then it is off for the next."""
    wake = tasks.Wake()

    async def ring():
        await wake.wait(0)
        leaves.cancel()
        wake.set()

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        leaves, *stay = [group.create_task(wake.wait(60)) for _ in range(3)]
        group.create_task(ring())
    assert [task.result() for task in stay] == [True, True]
    assert leaves.cancelled()
    assert not await wake.wait(0)


async def test_every_runs_at_once_when_woken():
    wake, ran = tasks.Wake(), asyncio.Semaphore(0)

    async def step():
        ran.release()

    async with asyncio.timeout(5), tasks.background() as background:
        background.start(tasks.every(3600, step, name="loop", wake=wake))
        await ran.acquire()
        wake.set()
        await ran.acquire()


async def test_every_goes_on_after_an_error_and_logs_it_once(caplog):
    outcomes = [ValueError("first"), ValueError("second"), None, None]
    done = asyncio.Event()

    async def step():
        if outcome := outcomes.pop(0):
            raise outcome
        if not outcomes:
            done.set()
            await asyncio.Event().wait()

    caplog.set_level(logging.INFO, "quarterdeck.base.tasks")
    async with asyncio.timeout(5), tasks.background() as background:
        background.start(tasks.every(0, step, name="loop"))
        await done.wait()
    assert [record.getMessage() for record in caplog.records] == ["failing", "working-again"]
    assert caplog.records[0].exc_info
    assert caplog.records[1].failures == 2


async def test_outage_pauses_longer_each_time_up_to_a_bound(monkeypatch):
    paused = []

    async def pause(seconds):
        paused.append(seconds)

    monkeypatch.setattr(tasks, "pause", pause)
    outage = tasks.Outage("link", pause_seconds_max=0.15)
    outage.note(OSError("gone"))
    for _ in range(3):
        await outage.failed(OSError("gone"))
    assert paused == [0.1, 0.15, 0.15]
    assert outage.over()
    assert not outage.over()


async def test_background_work_ends_with_its_block():
    running, ended = asyncio.Event(), asyncio.Event()

    async def work():
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with tasks.background() as background:
        background.start(work())
        await running.wait()
    assert ended.is_set()


async def test_failing_background_work_ends_its_block():
    async def work():
        raise ValueError("why")

    async def block():
        async with tasks.background() as background:
            background.start(work())
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as group:
        await block()
    assert [str(error) for error in group.value.exceptions] == ["why"]


async def test_error_of_the_block_comes_out_as_it_is():
    async def block():
        async with tasks.background() as background:
            background.start(asyncio.Event().wait())
            raise LookupError("own")

    with pytest.raises(LookupError, match="own"):
        await block()


async def test_errors_of_block_and_work_come_out_together():
    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("work")

    async def block():
        async with tasks.background() as background:
            background.start(work())
            await tasks.pause(0)
            raise LookupError("own")

    with pytest.raises(ExceptionGroup) as group:
        await block()
    assert [str(error) for error in group.value.exceptions] == ["own", "work"]


async def test_block_that_is_cancelled_stays_cancelled():
    async def block():
        async with tasks.background() as background:
            background.start(asyncio.Event().wait())
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await block()


async def test_run_until_stopped_cancels_what_runs():
    stop, running = asyncio.Event(), asyncio.Event()

    async def work():
        running.set()
        await asyncio.Event().wait()

    async def stopper():
        await running.wait()
        stop.set()

    async with asyncio.timeout(5):
        await tasks.run_until_stopped(stop, work(), stopper())


async def test_call_in_a_thread_has_ended_when_who_waited_is_cancelled():
    begun, go_on, ended = asyncio.Event(), threading.Event(), []
    loop = asyncio.get_running_loop()

    def work():
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(5)
        ended.append("yes")
        return 42

    waiting = loop.create_task(tasks.in_thread(work))
    await begun.wait()
    waiting.cancel()
    loop.call_soon(go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended == ["yes"]
    assert await tasks.in_thread(int, "7") == 7
    with pytest.raises(ValueError, match="invalid literal"):
        await tasks.in_thread(int, "x")


async def test_works_are_settled_each_whatever_becomes_of_the_others():
    """One failure is no end of the rest. Do three works of which the first fails while the others have not begun; each has its outcome, in its place."""
    failure, failed = ValueError("first"), asyncio.Event()

    async def fails():
        failed.set()
        raise failure

    async def goes_on(value):
        await failed.wait()
        return value

    assert await tasks.settled([fails(), goes_on(2), goes_on(3)]) == [failure, 2, 3]
