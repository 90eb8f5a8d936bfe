"""Questions that wait for another's answer are asked together, later than they came, and nobody spoils another's."""

import asyncio

import pytest

from quarterdeck.base.gathering import Gathering


class Asked:
    """Answers when it is told to; notes what was asked together."""

    def __init__(self):
        self.asked, self.answers = [], []

    async def __call__(self, keys):
        self.asked.append(set(keys))
        self.answers.append(asyncio.get_running_loop().create_future())
        return await self.answers[-1]


@pytest.fixture
def asked():
    return Asked()


async def turns():
    """Let others go on as far as they can."""
    for _ in range(5):
        await asyncio.to_thread(str)


async def test_questions_that_come_meanwhile_are_asked_together(asked):
    """Ask for one thing, then for others and for the same; those are asked once more, at once, when the first is answered."""
    gathering = Gathering(asked)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        first = group.create_task(gathering.get("a"))
        await turns()
        later = [group.create_task(gathering.get(key)) for key in "abbx"]
        await turns()
        assert asked.asked == [{"a"}]
        asked.answers[0].set_result({"a": "old"})
        await turns()
        asked.answers[1].set_result({"a": "new", "b": "other"})
    assert first.result() == "old"
    assert [task.result() for task in later] == ["new", "other", "other", None]
    assert asked.asked == [{"a"}, {"a", "b", "x"}]


async def test_failure_is_told_to_all_who_asked_together_and_to_nobody_else(asked):
    gathering = Gathering(asked)

    async def told(key):
        try:
            return await gathering.get(key)
        except ValueError as error:
            return str(error)

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        first = group.create_task(told("a"))
        await turns()
        together = [group.create_task(told(key)) for key in "bc"]
        await turns()
        asked.answers[0].set_result({"a": 1})
        await turns()
        asked.answers[1].set_exception(ValueError("not now"))
        await turns()
        after = group.create_task(told("b"))
        await turns()
        asked.answers[2].set_result({"b": 2})
    assert [task.result() for task in (first, *together, after)] == [1, "not now", "not now", 2]


async def test_who_leaves_keeps_nobody_from_an_answer(asked):
    """Cancel who asks for all, and one of those who wait; the others are asked for again and answered."""
    gathering = Gathering(asked)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        first = group.create_task(gathering.get("a"))
        await turns()
        asker, leaver, *others = [group.create_task(gathering.get(key)) for key in "bcde"]
        await turns()
        asked.answers[0].set_result({"a": 1})
        await turns()
        leaver.cancel()
        asker.cancel()
        await turns()
        asked.answers[2].set_result({"d": 4})
        await turns()
        asked.answers[3].set_result({"e": 5})
    assert [task.result() for task in (first, *others)] == [1, 4, 5]
    assert asked.asked == [{"a"}, {"b", "c", "d", "e"}, {"d"}, {"e"}]
