"""Each behaviour, on a TCP link and on one of Unix sockets, seen by a connection through it: of before, and a new one.

At the far end of these connections is an echo in the proxy; `test_services` has real servers there.
"""

import asyncio

import pytest

from shakeout.links.behaviour import Behaviour, Flow

TCP, UNIX = ("boat", "lighthouse"), ("lighthouse", "redis")
SILENCE_SECONDS = 0.1


@pytest.fixture(params=[TCP, UNIX], ids=["tcp", "unix"])
def either(request, link):
    """A link of each kind."""
    return link(*request.param)


async def answers(probe, data=b"ahoy"):
    await probe.send(data)
    async with asyncio.timeout(2):
        return await probe.receive(len(data)) == data


async def works(link):
    async with link.probe() as probe:
        return await answers(probe)


async def silent(probe):
    """Whether nothing came back, and nothing was told."""
    return not await probe.gone(within=SILENCE_SECONDS) and not probe.heard


async def test_plain_link_passes_everything(either):
    data = bytes(range(256)) * 40_000
    async with either.probe() as probe:
        async with asyncio.TaskGroup() as group:
            group.create_task(probe.send(data))
            assert await probe.receive(len(data)) == data
    counters = await either.counters()
    assert counters.bytes_forth >= len(data)
    assert counters.bytes_back >= len(data)


async def test_cut_link_ends_old_connections_and_new_ones(either):
    async with either.probe() as probe:
        assert await answers(probe)
        before = (await either.counters()).resets
        await either.set(Behaviour.severed())
        assert await probe.gone(within=2)
    async with either.probe() as probe:
        assert await probe.gone(within=2)
    counters = await either.counters()
    assert (counters.open, counters.resets) == (0, before + 2)
    assert repr(either) == f"<link {either.source} -> {either.target}, cut>"
    await either.restore()
    assert await works(either)


async def test_cut_tcp_connection_is_reset_not_ended(link):
    cut = link(*TCP)
    async with cut.probe() as probe:
        assert await answers(probe)
        await cut.set(Behaviour.severed())
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(2):
                await probe.receive(1)


async def test_black_hole_is_silent_until_it_is_restored(either):
    async with either.probe() as old:
        assert await answers(old)
        await either.set(Behaviour.black_hole())
        async with either.probe() as new:
            for probe in (old, new):
                await probe.send(b"late")
                assert await silent(probe)
            assert (await either.counters()).waiting_forth == 8
            await either.restore()
            for probe in (old, new):
                assert await probe.receive(4) == b"late"


async def test_deaf_target_hears_nothing(either):
    async with either.probe() as probe:
        assert await answers(probe)
        before = (await either.counters()).echoed
        await either.set(Behaviour.deaf_target())
        await probe.send(b"late")
        assert await silent(probe)
        assert (await either.counters()).echoed == before
        await either.restore()
        assert await probe.receive(4) == b"late"


async def test_deaf_source_is_heard_and_hears_nothing(either):
    async with either.probe() as probe:
        assert await answers(probe)
        before = (await either.counters()).echoed
        await either.set(Behaviour.deaf_source())
        await probe.send(b"late")
        assert await silent(probe)
        assert (await either.counters()).echoed == before + 4
        await either.restore()
        assert await probe.receive(4) == b"late"


async def test_delay_is_in_each_direction(either):
    clock = asyncio.get_running_loop().time
    async with either.probe() as probe:
        assert await answers(probe)
        await either.set(Behaviour.delayed(0.04, 0.01))
        began = clock()
        assert await answers(probe)
        assert clock() - began >= 2 * 0.03
        await either.set(Behaviour(back=Flow(delay_seconds=0.05)))
        began = clock()
        assert await answers(probe)
        assert clock() - began >= 0.05


async def test_bandwidth_limits_each_connection(either):
    clock = asyncio.get_running_loop().time
    async with either.probe() as probe:
        await either.set(Behaviour.slowed(100_000))
        began = clock()
        assert await answers(probe, bytes(10_000))
        assert clock() - began >= 0.07


async def test_connection_is_reset_after_so_many_bytes(either):
    async with either.probe() as old:
        assert await answers(old, bytes(50))
        await either.set(Behaviour.dropping_after(100))
        async with either.probe() as new:
            for probe in (old, new):
                assert await answers(probe, bytes(99))
                await probe.send(b"xy")
                assert await probe.gone(within=2)
    await either.restore()
    assert await works(either)


async def test_reset_ends_what_is_open_and_nothing_else(either):
    async with either.probe() as probe:
        assert await answers(probe)
        await either.reset()
        assert await probe.gone(within=2)
    assert await works(either)


async def test_half_open_source_believes_until_it_is_restored(either):
    async with either.probe() as probe:
        assert await answers(probe)
        await either.half_open(either.source)
        await probe.send(b"to nobody")
        assert await silent(probe)
        assert await works(either)
        await either.restore()
        assert await probe.gone(within=2)


async def test_half_open_target_believes_until_it_is_restored(either):
    async with either.probe() as probe:
        assert await answers(probe)
        before = await either.counters()
        await either.half_open(either.target)
        assert await probe.gone(within=2)
        assert (await either.counters()).open == before.open
        await either.restore()
        assert (await either.counters()).open == before.open - 1


async def test_held_link_takes_no_more_than_its_buffers(either):
    """The sender is stopped by its own full buffers; everything arrives in the end, in order."""
    data = bytes(range(256)) * 40_000
    async with either.probe() as probe:
        assert await answers(probe)
        await either.set(Behaviour.deaf_target())
        async with asyncio.TaskGroup() as group:
            group.create_task(probe.send(data))
            assert await silent(probe)
            waiting = (await either.counters()).waiting_forth
            assert 256 * 1024 <= waiting <= 512 * 1024
            await either.restore()
            assert await probe.receive(len(data)) == data


async def test_receiver_that_does_not_read_slows_its_sender_down(either):
    """The echo sends back what the test does not read: soon nothing more is taken."""
    async with either.probe() as probe:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await probe.send(bytes(100_000_000))
        counters = await either.counters()
        assert counters.waiting_forth + counters.waiting_back <= 1024 * 1024
    await either.reset()


async def test_links_do_not_touch_each_other(link):
    first, second = link(*TCP), link(*UNIX)
    async with second.probe() as probe:
        await first.set(Behaviour.severed())
        assert await answers(probe)
        assert await works(second)
        assert await works(link("test", "lighthouse"))
