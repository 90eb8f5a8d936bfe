"""Whoever waits for a payload is woken by it, and by each reconnect."""

import asyncio

import pytest

from quarterdeck.base import tasks
from quarterdeck.infra import notifications, postgres
from shakeout.waiting.until import until

WITHIN_SECONDS = 5


@pytest.fixture
def database(cluster, opened):
    """A pool, to notify with."""
    return opened(postgres.Database.open(cluster.address("postgres"), application_name="notifier"))


@pytest.fixture
def listener(cluster, opened):
    """A listener on two channels, one with an odd name."""
    manager = notifications.Notifications.open(
        cluster.address("postgres"), ["news", "Odd name"], application_name="listener"
    )
    return opened(manager)


async def notify(database, channel, payload):
    await database.execute("SELECT pg_notify(%(c)s, %(p)s)", {"c": channel, "p": payload})


async def test_payload_wakes_its_subscribers_only(database, listener):
    with (
        listener.subscribe("news", "a") as a,
        listener.subscribe("news", "b") as b,
        listener.subscribe("news") as any_,
        listener.subscribe("Odd name") as odd,
    ):
        await notify(database, "news", "a")
        assert await a.wait(WITHIN_SECONDS)
        assert await any_.wait(WITHIN_SECONDS)
        assert not await b.wait(0)
        await notify(database, "Odd name", "")
        assert await odd.wait(WITHIN_SECONDS)
        assert not await any_.wait(0)


async def test_subscription_ends_with_its_block(database, listener):
    with listener.subscribe("news", "a") as ended:
        pass
    with listener.subscribe("news") as wake:
        await notify(database, "news", "a")
        assert await wake.wait(WITHIN_SECONDS)
    assert not await ended.wait(0)
    assert not listener._subscribers


async def test_lost_connection_wakes_everybody_and_is_made_again(database, listener):
    with listener.subscribe("news", "a") as wake:
        killed = await database.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'listener'"
        )
        assert len(killed) == 1
        assert await wake.wait(WITHIN_SECONDS)
        await notify(database, "news", "a")
        assert await wake.wait(WITHIN_SECONDS)


async def test_restart_of_the_server_is_survived(private_cluster):
    url = private_cluster.address("postgres")
    async with notifications.Notifications.open(url, ["news"], application_name="l") as listener:
        with listener.subscribe("news", "a") as wake:
            await private_cluster.restart("postgres")
            assert await wake.wait(WITHIN_SECONDS)
            async with (
                asyncio.timeout(WITHIN_SECONDS),
                postgres.Database.open(url, application_name="n") as database,
            ):
                await notify(database, "news", "a")
            assert await wake.wait(WITHIN_SECONDS)


async def test_server_that_is_away_is_asked_often(private_cluster, pauses):
    url = private_cluster.address("postgres")
    async with notifications.Notifications.open(url, ["news"], application_name="l") as listener:
        with listener.subscribe("news", "a") as wake:
            await private_cluster.kill("postgres")
            await until(lambda: len(pauses) >= 6, within=WITHIN_SECONDS)
            await private_cluster.start("postgres")
            assert await wake.wait(WITHIN_SECONDS)
    assert max(pauses) <= tasks.RECONNECT_SECONDS_MAX
