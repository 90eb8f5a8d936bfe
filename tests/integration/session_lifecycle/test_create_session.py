"""The way of a session from a request to a process that runs code, and back to nothing."""

import pytest

from quarterdeck.client.errors import Refused, SessionEnded
from shakeout.process import procfs
from shakeout.waiting.until import until

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
    view = await session.refresh()
    assert (view.status, view.reason) == ("PENDING", "too-large")
    assert view.detail == "fits on no agent: wants 1000 cores, the largest agent, agent, has 8"
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


async def test_a_session_that_waits_says_for_what(private_cluster, user, admin, observe):
    """A session that waits says why, exactly, when it is asked: for slots in use, for another session, for an agent that takes it."""
    first = await user.sessions.create(slots={"cpu": 6, "memory_mib": 4096}, name="first")
    await first.reaches("RUNNING", within=10)
    cores = await user.sessions.create(slots={"cpu": 4})
    memory = await user.sessions.create(slots={"cpu": 1, "memory_mib": 8000})
    both = await user.sessions.create(slots={"cpu": 2, "memory_mib": 256}, cluster_size=2)
    after = await user.sessions.create(depends_on=[first])
    assert await why(cores) == (
        "no-room",
        "waits for slots: wants 4 cores, the most free is 2 on agent agent",
    )
    assert await why(memory) == (
        "no-room",
        "waits for slots: wants 8000 MiB of memory, the most free is 4096 on agent agent",
    )
    assert await why(both) == (
        "no-room",
        "waits for slots: wants 2 kernels of 2 cores and 256 MiB, there is room for 1",
    )
    assert await why(after) == (
        "dependencies",
        f"waits for session first ({first.id}), which is RUNNING",
    )
    observe.database.execute("UPDATE agents SET schedulable = false")
    assert await why(cores) == (
        "no-schedulable-agent",
        "no agent takes new sessions: of 1 alive, none is schedulable",
    )
    observe.database.execute("UPDATE agents SET schedulable = true")
    observe.database.execute(
        "UPDATE sessions SET architectures = '{riscv64}' WHERE id = %s", [cores.id]
    )
    reason, detail = await why(cores)
    assert reason == "no-architecture"
    assert detail.startswith(
        "no agent has this architecture: its image is for riscv64, agents have "
    )
    observe.database.execute("UPDATE sessions SET architectures = '{}' WHERE id = %s", [cores.id])
    await first.terminate()
    await cores.reaches("RUNNING", within=10)
    assert (await cores.refresh()).detail is None


async def test_a_session_without_any_agent_says_so(private_cluster, user, observe):
    """A session that no agent can take says that there is none. Kill the only agent; once it is lost, a new session says that."""
    await private_cluster.kill("agent")
    await until(
        lambda: observe.value("SELECT status FROM agents"),
        within=20,
        satisfied=lambda status: status == "LOST",
    )
    session = await user.sessions.create()
    assert await why(session) == ("no-agent", "no agent is alive: of 1, all are lost")
    await private_cluster.start("agent")
    await session.reaches("RUNNING", within=20)


async def why(session):
    """Why a session waits, as its owner is told."""
    view = await session.refresh()
    return view.reason, view.detail
