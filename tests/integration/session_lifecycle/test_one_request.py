"""A session in one request: made, run and heard of; and ended in another, with the answer when it has ended."""

import asyncio

import msgspec
import pytest

from quarterdeck.client.errors import Refused
from quarterdeck.testing.racing import at_once
from shakeout.waiting.until import until

LIFE = [
    (None, "PENDING"),
    ("PENDING", "SCHEDULED"),
    ("SCHEDULED", "CREATING"),
    ("CREATING", "RUNNING"),
    ("RUNNING", "TERMINATING"),
    ("TERMINATING", "TERMINATED"),
]
KERNEL_LIFE = [(None, "SCHEDULED"), *LIFE[2:]]


def kernel_history(observe, session):
    """What became of a session's kernel, by SQL."""
    rows = observe.rows(
        "SELECT from_status, to_status FROM session_history"
        " WHERE session_id = %s AND kernel_id IS NOT NULL ORDER BY seq",
        session.id,
    )
    return [(row["from_status"], row["to_status"]) for row in rows]


async def test_made_run_and_ended_by_two_requests(user, observe):
    """Behaviours 1, 2: nothing is left out for being fast. Create with code, end with a wait; history, slots and processes as ever."""
    session = await user.sessions.create(wait=20, execute="import os; print(os.getpid()); 6 * 7")
    assert session.execution.result == "42"
    assert (session.view.status, session.view.agent) == ("RUNNING", "agent")
    told = msgspec.structs.asdict(session.view)
    del told["execution"]
    assert told == msgspec.structs.asdict(await session.refresh())
    assert observe.slots_in_use(session.id) == (1, 256)
    assert (await session.execute("os.getpid()")).result == session.execution.stdout.strip()
    (kernel,) = observe.live_kernels(session.id)
    await session.terminate(wait=20)
    assert session.view.status == "TERMINATED"
    assert observe.live_kernels(session.id) == []
    assert kernel not in observe.scratch()
    assert observe.slots_in_use(session.id) == (0, 0)
    assert observe.history(session.id) == LIFE
    assert kernel_history(observe, session) == KERNEL_LIFE


async def test_code_that_fails_is_an_answer(user):
    """An exception is a result of the code. Raise one first; the session runs on, and what the code had made is there."""
    session = await user.sessions.create(wait=20, execute="x = 7; 1 / 0")
    assert session.execution.error.type == "ZeroDivisionError"
    assert (await session.execute("x")).result == "7"


async def test_long_code_goes_on_after_the_answer(user):
    """The answer waits so long and no longer. Run code that takes three seconds, with a wait of two; look at its run afterwards."""
    session = await user.sessions.create(
        wait=2, execute="import threading; print('on'); threading.Event().wait(3); 5"
    )
    first = session.execution
    assert (session.view.status, first.status, first.stdout) == ("RUNNING", "continued", "on\n")
    seen = await session.run(first.run).look(first.offset, wait=20)
    assert (seen.status, seen.result) == ("ok", "5")


async def test_session_without_room_is_answered_when_time_is_up(user, observe):
    """Who waits longer than there is time for gets the session as it is. Ask for more than there is; its code never runs."""
    session = await user.sessions.create(slots={"cpu": 1000}, wait=0.5, execute="open('ran', 'w')")
    assert (session.view.status, session.execution) == ("PENDING", None)
    assert session.view.reason is not None
    assert observe.history(session.id) == [(None, "PENDING")]
    await session.terminate(wait=20)
    assert session.view.status == "CANCELLED"


async def test_short_batch_session_is_answered_with_its_end(user):
    """An end ends every wait. Create a batch session that is over at once, with a wait."""
    session = await user.sessions.create(type="batch", command=["true"], wait=20)
    assert session.view.status in {"RUNNING", "TERMINATED"}
    await session.reaches("TERMINATED", within=20)
    assert (await session.refresh()).result == "SUCCESS"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"execute": "1"}, "execute"),
        ({"execute": "1", "wait": 5, "type": "batch", "command": ["true"]}, "execute"),
        ({"execute": "1", "wait": 31}, "wait"),
    ],
)
async def test_what_makes_no_sense_is_refused_before_anything_is_made(user, observe, given, field):
    """Code needs somebody who waits, and an interpreter. Ask for each without; the field is named and no row is written."""
    with pytest.raises(Refused) as refused:
        await user.sessions.create(**given)
    assert (refused.value.status, refused.value.field) == (400, field)
    assert observe.value("SELECT count(*) FROM sessions WHERE owner_id = %s", user.id) == 0


async def test_ending_twice_waits_for_the_same_end(user, observe):
    """Whoever asks for the end hears of it. End a session five times at once, with a wait; each answer is the end, which came once."""
    session = await user.sessions.create(wait=20)
    handles = [await user.sessions.get(session.id) for _ in range(5)]
    await at_once(lambda at: handles[at].terminate(wait=20), times=5)
    assert {one.view.status for one in handles} == {"TERMINATED"}
    assert observe.history(session.id) == LIFE


async def test_by_force_with_a_wait(user, observe):
    """By force it has ended at once. End one so, with a wait; a stranger may do neither."""
    session = await user.sessions.create(wait=20)
    await session.terminate(force=True, wait=20)
    assert session.view.status == "TERMINATED"
    assert observe.slots_in_use(session.id) == (0, 0)


async def test_twenty_at_once_for_ten_cores(user, observe):
    """Behaviour 25 holds on the short way too. Twenty ask for a core of ten each, ten are there; all run in turn and no core is given twice."""
    cores = observe.value("SELECT cpu FROM agents WHERE id = 'agent'")
    slots = {"cpu": max(1, cores // 10)}

    async def one(_):
        session = await user.sessions.create(slots=slots, wait=30, execute="1 + 1")
        used, _ = observe.slots_in_use()
        assert used <= cores
        await session.terminate(wait=30)
        return session.execution.result

    async with asyncio.timeout(60):
        assert await at_once(one, times=20) == ["2"] * 20


async def test_who_waited_for_a_place_is_told_the_same(user, observe):
    """A session that waited is no lesser one. Fill an agent, ask for another session with code, end the first; look at answer, history and process."""
    cores = observe.value("SELECT cpu FROM agents WHERE id = 'agent'")
    first = await user.sessions.create(slots={"cpu": cores}, wait=20)
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(
            user.sessions.create(slots={"cpu": cores}, wait=20, execute="import os; os.getpid()")
        )
        await until(lambda: waiting(observe, user), within=10)
        await first.terminate(wait=20)
    session = asked.result()
    told = msgspec.structs.asdict(session.view)
    assert told.pop("execution").status == "ok"
    assert told == msgspec.structs.asdict(await session.refresh())
    assert (await session.execute("os.getpid()")).result == session.execution.result
    await session.terminate(wait=20)
    assert observe.history(session.id) == LIFE
    assert kernel_history(observe, session) == KERNEL_LIFE


def waiting(observe, user):
    """How many sessions of a user wait for a place, by SQL."""
    return observe.value(
        "SELECT count(*) FROM sessions WHERE owner_id = %s AND status = 'PENDING'", user.id
    )


async def test_nobody_is_passed_over_by_the_short_way(user, observe):
    """Who waits goes first. Fill an agent, let one wait for a place, end the first: the one that waits gets it, not one that comes then."""
    cores = observe.value("SELECT cpu FROM agents WHERE id = 'agent'")
    first = await user.sessions.create(slots={"cpu": cores}, wait=20)
    waiting = await user.sessions.create(slots={"cpu": cores})
    late = await user.sessions.create(slots={"cpu": cores}, wait=0.2)
    assert late.view.status == "PENDING"
    await first.terminate(wait=20)
    await waiting.reaches("RUNNING", within=20)
    assert (await late.refresh()).status == "PENDING"
