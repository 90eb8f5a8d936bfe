"""The queue of sessions: once each, a limit per agent, a turn for each that can be taken."""

import asyncio

from quarterdeck.manager.sessions.lanes import Lanes
from quarterdeck.manager.sessions.model import Due


def due(session, agent="a"):
    return Due(agent, session, f"kernel-of-{session}")


def test_sessions_come_in_order_and_once():
    lanes = Lanes(at_once_max=4)
    for session in ("1", "2", "1"):
        lanes.put(due(session))
    with lanes.take() as first, lanes.take() as second, lanes.take() as third:
        assert (first, second, third) == (due("1"), due("2"), None)


def test_session_in_hand_comes_again_afterwards():
    lanes = Lanes(at_once_max=4)
    lanes.put(due("1"))
    with lanes.take():
        lanes.put(due("1"))
        with lanes.take() as meanwhile:
            assert meanwhile is None
    with lanes.take() as afterwards:
        assert afterwards == due("1")


def test_slow_agent_holds_up_no_other():
    lanes = Lanes(at_once_max=1)
    for session in ("1", "2"):
        lanes.put(due(session, "slow"))
    lanes.put(due("3", "quick"))
    with lanes.take() as first, lanes.take() as second, lanes.take() as third:
        assert (first, second, third) == (due("1", "slow"), due("3", "quick"), None)


def test_agents_take_turns():
    lanes = Lanes(at_once_max=4)
    for session, agent in (("1", "a"), ("2", "a"), ("3", "b")):
        lanes.put(due(session, agent))
    with lanes.take() as first, lanes.take() as second, lanes.take() as third:
        assert [first, second, third] == [due("1"), due("3", "b"), due("2")]


async def test_every_session_gets_its_turn_whatever_blocked_it():
    lanes, taken = Lanes(at_once_max=1), []

    async def worker():
        while True:
            await lanes.wait()
            with lanes.take() as each:
                if each is not None:
                    taken.append(each.session)
                    await asyncio.get_running_loop().run_in_executor(None, int)

    async with asyncio.TaskGroup() as group:
        workers = [group.create_task(worker()) for _ in range(3)]
        for number in range(20):
            lanes.put(due(str(number), f"agent-{number % 2}"))
        async with asyncio.timeout(5):
            while len(taken) < 20:
                await asyncio.get_running_loop().run_in_executor(None, int)
        for each in workers:
            each.cancel()
    assert sorted(taken, key=int) == [str(number) for number in range(20)]
