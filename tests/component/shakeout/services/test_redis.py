"""Redis as Shakeout runs it: round trip, restarts and kills that keep the data, failures."""

import pytest
from redis import asyncio as redis

from shakeout.process.errors import ComponentDied
from shakeout.services.redis import Redis
from shakeout.system import boot
from shakeout.system.model import System

SYSTEM = System("tide", services=(Redis(),))


async def answer(cluster, *command):
    async with redis.from_url(cluster.address("redis"), decode_responses=True) as client:
        return await client.execute_command(*command)


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_data_survives(booted, end):
    async with booted(SYSTEM) as cluster:
        assert await answer(cluster, "SET", "tide", "high")
        await getattr(cluster, end)("redis")
        await cluster.start("redis")
        assert await answer(cluster, "GET", "tide") == "high"


async def test_streams_block_until_something_comes(booted):
    async with booted(SYSTEM) as cluster:
        await answer(cluster, "XADD", "waves", "1-1", "height", "2")
        assert await answer(cluster, "XREAD", "BLOCK", "10", "STREAMS", "waves", "0")


async def test_settings_reach_the_server(booted):
    limited = System("limited", services=(Redis(settings={"maxclients": "17"}),))
    async with booted(limited) as cluster:
        assert (await answer(cluster, "CONFIG", "GET", "maxclients"))["maxclients"] == "17"


async def test_a_wrong_setting_ends_the_boot_with_the_servers_words(harness_run):
    wrong = System("wrong", services=(Redis(settings={"maxclients": "lots"}),))
    with pytest.raises(ComponentDied, match="maxclients"):
        await boot.boot(wrong, harness_run, name="wrong-redis")
