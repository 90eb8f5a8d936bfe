"""A piece of work with one message stopped: what is done about it, and which error is told."""

import asyncio
import contextlib
from typing import Any

import pytest

from shakeout.explore import everywhere
from shakeout.links.trap import Trap

MESSAGE = {"number": 1, "direction": "forth", "text": "PUT /"}


class Wire:
    """A link on which the first message is held as soon as somebody looks, if it ever comes."""

    name = "a -> b"

    def __init__(self, *, comes=True):
        self.comes = comes
        self.set = False

    @contextlib.asynccontextmanager
    async def trapped(self, _number):
        self.set = True
        try:
            yield Trap(self._do)
        finally:
            self.set = False

    async def _do(self, act, **_fields):
        return {"message": MESSAGE} if act == "trapped" and self.comes else {}


class Broke(Exception):
    """Something went wrong."""


async def nothing():
    """Work that is done at once."""


async def for_ever():
    await asyncio.Event().wait()


async def visit(wire: Any, work, act):
    return await everywhere.visit(wire, 1, work, act, within=5)


async def test_visit_returns_what_the_act_returns():
    wire, seen = Wire(), []

    async def act(_trap, message):
        seen.append(str(message))
        return True

    assert await visit(wire, nothing, act)
    assert seen == ["#1 forth: PUT /"]
    assert not wire.set


async def test_visit_without_the_message_acts_on_nothing():
    async def act(_trap, _message):
        raise Broke

    assert not await visit(Wire(comes=False), nothing, act)


async def test_visit_raises_what_the_act_raises():
    """The caller catches it by its name: no group. Let the act fail while the work hangs."""

    async def act(_trap, _message):
        raise Broke("the act")

    with pytest.raises(Broke, match="the act"):
        await visit(Wire(), for_ever, act)


async def test_visit_raises_what_the_work_raises():
    """The same of the work while the act hangs."""

    async def work():
        raise Broke("the work")

    async def act(_trap, _message):
        await for_ever()

    with pytest.raises(Broke, match="the work"):
        await visit(Wire(), work, act)


async def test_visit_raises_the_first_of_two_errors_and_mentions_the_other():
    """Let the act fail, and then the clean-up of the work."""

    async def work():
        try:
            await for_ever()
        finally:
            raise OSError("the clean-up")

    async def act(_trap, _message):
        raise Broke("the act")

    with pytest.raises(Broke, match="the act") as told:
        await visit(Wire(), work, act)
    assert told.value.__notes__ == ["meanwhile: OSError: the clean-up"]


async def test_visit_raises_a_group_that_the_work_raises_as_it_is():
    async def work():
        raise ExceptionGroup("both", [Broke("one"), Broke("other")])

    with pytest.raises(ExceptionGroup, match="both") as told:
        await visit(Wire(comes=False), work, None)
    assert len(told.value.exceptions) == 2
