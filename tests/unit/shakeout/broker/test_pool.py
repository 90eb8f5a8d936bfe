"""Who gets which cluster of a broker's shelf: waiting users first, private ones only what had no user."""

import asyncio
import types
from typing import Any

import pytest

from shakeout.broker import pool as pools
from shakeout.broker.pool import Full, Pool
from shakeout.broker.shape import Shape

SMALL = Shape("harbour:small", (), durable=False)
LARGE = Shape("harbour:large", (), durable=False)


class Boat:
    """A cluster as far as a pool knows it."""

    members: types.MappingProxyType[str, Any] = types.MappingProxyType({})

    def __init__(self, name):
        self.name = name
        self.ended = False

    def deaths(self):
        return ()

    async def abandon(self):
        self.ended = True


class Yard(Pool):
    """A pool whose boots end when the test says so."""

    def __init__(self, group):
        nobody: Any = None
        super().__init__(nobody, group)
        self.boots = []

    async def _booted(self, _shape):
        boot = asyncio.get_running_loop().create_future()
        self.boots.append(boot)
        return await boot


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Nothing is booted ahead, and two clusters are all that may run."""
    monkeypatch.setattr(pools, "CLUSTERS_MAX", 2)
    monkeypatch.setattr(pools, "SPARE_MEMORY_MIB_MIN", 1 << 40)


def boat(name) -> Any:
    return Boat(name)


async def turn():
    """Let every task go on until it waits."""
    loop = asyncio.get_running_loop()
    for _ in range(5):
        turned = loop.create_future()
        loop.call_soon(turned.set_result, None)
        await turned


async def taken(group, yard, shape=SMALL, *, private=False):
    task = group.create_task(yard.take(shape, private=private))
    await turn()
    return task


async def test_returned_cluster_goes_to_who_waits_for_a_boot():
    async with asyncio.TaskGroup() as group:
        yard = Yard(group)
        first = await taken(group, yard)
        yard.boots[0].set_result(boat("one"))
        await turn()
        second = await taken(group, yard)
        yard.put_back(SMALL, first.result(), fresh=False)
        await turn()
        assert second.result().name == "one"
        yard.boots[1].set_result(boat("two"))
    assert yard.counts() == {"fresh": 1, "used": 0, "booting": 0, "leased": 1}


async def test_private_user_waits_for_a_cluster_that_had_no_user():
    async with asyncio.TaskGroup() as group:
        yard = Yard(group)
        first = await taken(group, yard)
        yard.boots[0].set_result(boat("one"))
        await turn()
        second = await taken(group, yard, private=True)
        yard.put_back(SMALL, first.result(), fresh=False)
        await turn()
        assert not second.done()
        yard.boots[1].set_result(boat("two"))
    assert second.result().name == "two"


async def test_used_cluster_stays_used_when_its_next_user_never_begins():
    async with asyncio.TaskGroup() as group:
        yard = Yard(group)
        yard.put_back(SMALL, boat("one"), fresh=False)
        yard.put_back(SMALL, await yard.take(SMALL, private=False), fresh=True)
    assert (yard.counts()["fresh"], yard.counts()["used"]) == (0, 1)


async def test_idle_cluster_makes_room_for_another_shape():
    async with asyncio.TaskGroup() as group:
        yard = Yard(group)
        held = await taken(group, yard)
        idle = await taken(group, yard)
        for boot, name in zip(yard.boots, ("held", "idle"), strict=True):
            boot.set_result(boat(name))
        await turn()
        yard.put_back(SMALL, idle.result(), fresh=False)
        other = await taken(group, yard, LARGE)
        yard.boots[2].set_result(boat("large"))
    assert idle.result().ended
    assert not held.result().ended
    assert other.result().name == "large"


async def test_no_room_when_all_are_in_use():
    async with asyncio.TaskGroup() as group:
        yard = Yard(group)
        for _ in range(2):
            await taken(group, yard)
        for boot, name in zip(yard.boots, ("one", "two"), strict=True):
            boot.set_result(boat(name))
        await turn()
        with pytest.raises(Full, match="all of them in use"):
            await yard.take(LARGE, private=False)
