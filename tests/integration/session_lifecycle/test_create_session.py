"""The way of a session from a request to a process that runs code, and back to nothing."""

import pytest

from quarterdeck.client.errors import Refused, SessionEnded
from shakeout.process import procfs

CREATED = [
    (None, "PENDING"),
    ("PENDING", "SCHEDULED"),
    ("SCHEDULED", "CREATING"),
    ("CREATING", "RUNNING"),
]
ENDED = [("RUNNING", "TERMINATING"), ("TERMINATING", "TERMINATED")]


async def test_session_runs_code_and_goes(user, observe):
    """A session takes every step once, is one real process with the slots asked for, and leaves nothing. Look in SQL, /proc, disk."""
    session = await user.sessions.create("python:3.11", slots={"cpu": 2, "memory_mib": 512})
    await session.reaches("RUNNING", within=10)
    assert observe.history(session.id) == CREATED
    assert observe.slots_in_use(session.id) == (2, 512)
    kernel = observe.kernel(session.id)
    assert observe.live_kernels(session.id) == [kernel]
    assert list(observe.scratch()) == [kernel]
    told = await session.execute("import os\nprint(6 * 7)\nos.getcwd()")
    assert (told.status, told.stdout) == ("ok", "42\n")
    assert kernel in told.result
    pids = observe.kernel_pids(kernel)
    assert pids
    assert all(procfs.stat(pid) for pid in pids)
    await session.terminate()
    await session.reaches("TERMINATED", within=10)
    assert observe.history(session.id) == CREATED + ENDED
    assert observe.slots_in_use(session.id) == (0, 0)
    assert observe.live_kernels(session.id) == []
    assert observe.scratch() == {}
    assert not any(procfs.stat(pid) for pid in pids)


async def test_sessions_are_strangers(user, observe):
    """Two sessions share nothing. Give both a name with the same spelling and look at each; they are two processes."""
    first = await user.sessions.create()
    second = await user.sessions.create()
    for session in (first, second):
        await session.reaches("RUNNING", within=10)
    await first.execute("x = 'mine'")
    assert (await second.execute("x")).error.type == "NameError"
    assert len(observe.live_kernels()) == 2
    assert len({observe.kernel(session.id) for session in (first, second)}) == 2
    assert observe.slots_in_use() == (2, 512)


async def test_name_of_a_live_session_is_taken_and_free_again(user):
    """A name is one live session's. Take it twice, end the first, take it again."""
    first = await user.sessions.create(name="mine")
    await first.reaches("RUNNING", within=10)
    with pytest.raises(Refused) as refused:
        await user.sessions.create(name="mine")
    assert refused.value.code == "session-name-taken"
    await first.terminate()
    await first.reaches("TERMINATED", within=10)
    second = await user.sessions.create(name="mine")
    assert second.id != first.id


async def test_what_no_agent_has_waits_and_says_why(user, observe):
    """A session that fits nowhere is no error. Ask for more cores than there are; it waits, takes nothing, and can be cancelled."""
    session = await user.sessions.create(slots={"cpu": 1000})
    small = await user.sessions.create()
    await small.reaches("RUNNING", within=10)
    assert (await session.refresh()).status == "PENDING"
    assert observe.slots_in_use(session.id) == (0, 0)
    await session.terminate()
    with pytest.raises(SessionEnded) as ended:
        await session.reaches("RUNNING", within=10)
    assert ended.value.status == "CANCELLED"


async def test_unknown_image_is_refused(user, observe):
    """What cannot be is refused at once. Ask for an image that nobody registered; no row is written."""
    with pytest.raises(Refused) as refused:
        await user.sessions.create("python:1.5")
    assert refused.value.code == "image-not-found"
    assert observe.value("SELECT count(*) FROM sessions WHERE owner_id = %s", user.id) == 0
