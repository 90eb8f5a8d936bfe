"""The end of a session: nothing stays, whatever it was doing, and asking twice is fine."""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable

import pytest

from quarterdeck.client import api
from quarterdeck.client.errors import Refused, SessionEnded
from quarterdeck.testing.racing import at_once
from shakeout.waiting.until import until


async def test_nothing_stays(session, observe):
    """Terminate: no process, no scratch directory, no slot. Each is looked up where it would be."""
    kernel = observe.kernel(session.id)
    assert observe.kernel_pids(kernel)
    assert kernel in observe.scratch()
    assert observe.slots_in_use(session.id) == (1, 256)
    await session.terminate()
    await session.reaches("TERMINATED", within=10)
    assert observe.kernel_pids(kernel) == []
    assert kernel not in observe.scratch()
    assert observe.slots_in_use(session.id) == (0, 0)


async def test_terminating_again_changes_nothing(session, observe):
    """Termination is idempotent. Ask three times, during it and after it; history has each step once."""
    await session.terminate()
    await session.terminate()
    await session.reaches("TERMINATED", within=10)
    history = observe.history(session.id)
    await session.terminate()
    assert observe.history(session.id) == history
    assert [to for _, to in history].count("TERMINATING") == 1


async def test_children_that_ran_away_are_found(session, observe):
    """A kernel's children end with it. Start one in a session of its own whose parent is gone, then terminate."""
    await session.execute(
        "import os, subprocess\n"
        "subprocess.run(['sh', '-c', 'setsid sleep 1000 & '], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)"
    )
    kernel = observe.kernel(session.id)
    await until(
        lambda: observe.kernel_pids(kernel), within=5, satisfied=lambda pids: len(pids) == 2
    )
    await session.terminate()
    await session.reaches("TERMINATED", within=10)
    assert observe.kernel_pids(kernel) == []


async def test_busy_session_ends_at_once(session, observe):
    """A loop without end does not hold up its end. Terminate under it; the execution is told why it has no answer."""
    async with asyncio.TaskGroup() as group:
        execution = group.create_task(
            refusal_of(session.execute("print('on', flush=True)\nwhile 1: pass"))
        )
        await until(session.logs, within=5, satisfied=lambda text: "on" in text)
        await session.terminate()
    assert execution.result().code == "session-not-running"
    await session.reaches("TERMINATED", within=10)
    assert observe.live_kernels(session.id) == []


async def test_waiting_session_is_cancelled_and_never_scheduled(user, observe):
    """No capacity, no harm. Ask for more cores than there are, cancel; history knows PENDING and CANCELLED only."""
    session = await user.sessions.create(slots={"cpu": 1024})
    await session.terminate()
    with pytest.raises(SessionEnded) as ended:
        await session.reaches("RUNNING", within=10)
    assert ended.value.status == "CANCELLED"
    assert observe.history(session.id) == [(None, "PENDING"), ("PENDING", "CANCELLED")]
    assert observe.kernel(session.id) is None


async def test_termination_at_any_moment_of_the_start_ends_well(user, observe):
    """A session that is ended while it is placed or created ends. Terminate forty of them, each a little later after its creation.

    Regression: a termination that waited for the placement's lock did not see the new kernel; the session stayed TERMINATING.
    """

    async def short_life(first: int, number: int) -> None:
        session = await user.sessions.create()
        for _ in range(first // 8 + number):
            await session.refresh()
        await session.terminate()
        with contextlib.suppress(SessionEnded):
            await session.reaches("TERMINATED", within=10)

    for first in range(0, 40, 8):
        outcomes = await at_once(functools.partial(short_life, first), times=8)
        assert outcomes == [None] * 8
    assert observe.slots_in_use() == (0, 0)
    assert observe.live_kernels() == []


async def test_other_users_cannot_touch_a_session(session, other_user, observe):
    """Sessions are private. Look at, use and end another user's session: it does not exist, and lives on."""
    for request in (
        api.get_session(session.id),
        api.get_history(session.id),
        api.get_logs(session.id),
        api.execute(session.id, "1"),
        api.delete_session(session.id),
    ):
        refusal = await refusal_of(other_user.call(request, object))
        assert (refusal.status, refusal.code) == (404, "session-not-found")
    assert observe.history(session.id)[-1][1] == "RUNNING"
    assert observe.live_kernels(session.id)


async def refusal_of(call: Awaitable[object]) -> Refused:
    """The refusal that a call meets."""
    with pytest.raises(Refused) as refusal:
        await call
    return refusal.value
