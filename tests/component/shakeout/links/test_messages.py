"""Single messages of a link: told apart, recorded, and one of them stopped, then delivered, lost or repeated."""

import asyncio
import contextlib

import pytest
import redis.asyncio

from shakeout.links.errors import LinksRefused
from shakeout.system import loopback
from shakeout.waiting.until import until

TCP = ("boat", "lighthouse")
SILENCE_SECONDS = 0.1


async def answers(probe, data=b"ahoy"):
    await probe.send(data)
    async with asyncio.timeout(2):
        return await probe.receive(len(data)) == data


@contextlib.asynccontextmanager
async def stopped(edge, number, probe):
    """A message of the probe, stopped."""
    async with edge.trapped(number) as trap:
        await probe.send(b"ahoy")
        await until(trap.sprung, within=2)
        yield trap


async def ring(client):
    await client.incr("bells")


async def test_messages_are_recorded_in_both_directions(link):
    edge = link(*TCP)
    async with edge.probe() as probe:
        async with edge.recorded() as messages:
            assert await answers(probe, b"one\n\0two")
            assert await answers(probe, b"three")
        assert await answers(probe, b"four")
    assert [str(one) for one in messages] == [
        "#1 forth: one two",
        "#2 back: one two",
        "#3 forth: three",
        "#4 back: three",
    ]


async def test_what_follows_in_the_same_direction_is_the_same_message(link):
    edge = link(*TCP)
    async with edge.recorded() as messages, edge.probe() as probe:
        await probe.send(b"a" * 300_000)
        await probe.receive(300_000)
    assert [one.direction for one in messages[:2]] == ["forth", "back"]


@pytest.mark.parametrize("number", [1, 2])
async def test_stopped_message_is_delivered_later(link, number):
    edge = link(*TCP)
    async with edge.probe() as probe, stopped(edge, number, probe) as trap:
        message = await trap.sprung()
        assert (message.number, message.is_request) == (number, number == 1)
        assert not await probe.gone(within=SILENCE_SECONDS)
        await trap.deliver()
        assert await probe.receive(4) == b"ahoy"
        assert await trap.sprung() is None
        assert await answers(probe)


async def test_lost_message_takes_its_connection_with_it_and_no_other(link):
    edge = link(*TCP)
    async with (
        edge.probe() as other,
        edge.probe() as probe,
        stopped(edge, 1, probe) as trap,
    ):
        assert await answers(other)
        await trap.lose()
        assert await probe.gone(within=2)
        assert await answers(other)


async def test_stopped_message_goes_on_when_the_trap_is_taken_away(link):
    edge = link(*TCP)
    async with edge.probe() as probe:
        async with stopped(edge, 1, probe):
            pass
        assert await probe.receive(4) == b"ahoy"


async def test_trap_that_nothing_reaches_never_springs(link):
    edge = link(*TCP)
    async with edge.trapped(3) as trap, edge.probe() as probe:
        assert await answers(probe)
        assert await trap.sprung() is None
        with pytest.raises(LinksRefused, match="no message is stopped"):
            await trap.deliver()


async def test_repeated_request_is_done_twice_and_answered_once(linked, link):
    """The first key press counts 1, and so it is answered; the repetition counts on."""
    edge = link("test", "redis")
    async with redis.asyncio.Redis.from_url(linked.public_address("redis")) as client:
        await client.set("bells", 0)
        async with asyncio.TaskGroup() as group, edge.trapped(1) as trap:
            group.create_task(ring(client))
            message = await until(trap.sprung, within=2)
            assert "INCR" in message.text
            await trap.repeat()
    direct = redis.asyncio.Redis.from_url(linked.address("redis"))
    async with direct:
        await until(lambda: direct.get("bells"), satisfied=lambda found: found == b"2", within=2)
        await direct.delete("bells")


async def test_repeated_request_over_http(linked, link):
    edge = link("test", "lighthouse")
    port = int(linked.public_address("lighthouse.http").rpartition(":")[2])
    log = linked.member("lighthouse").log
    before = log.read_text().count("/twice")
    async with asyncio.TaskGroup() as group, edge.trapped(1) as trap:
        asked = group.create_task(loopback.request(port, "GET", "/twice"))
        await until(trap.sprung, within=2)
        await trap.repeat()
        assert (await asked).status == 200
    await until(lambda: log.read_text().count("/twice") == before + 2, within=2)


async def test_answer_cannot_be_repeated(link):
    edge = link(*TCP)
    async with edge.probe() as probe, stopped(edge, 2, probe) as trap:
        with pytest.raises(LinksRefused, match="an answer cannot come twice"):
            await trap.repeat()
