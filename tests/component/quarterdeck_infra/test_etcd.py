"""Keys, conditions, leases and watches on a real etcd, which an independent client observes; also across restarts."""

import asyncio
import json
import shutil
from typing import Any

import pytest

from quarterdeck.base import tasks
from quarterdeck.infra import etcd_watch
from quarterdeck.infra.errors import EtcdUnavailable
from quarterdeck.infra.etcd import ABSENT, Etcd, KeyValue, Snapshot
from quarterdeck.infra.etcd_registration import Registration
from quarterdeck.infra.etcd_watch import Deleted
from shakeout.links.behaviour import Behaviour
from shakeout.waiting.until import until

WITHIN_SECONDS = 10


@pytest.fixture
def etcd(cluster, opened, shakeout_runner):
    """A client; what a test leaves under /t/ is removed."""
    client = opened(Etcd.open(cluster.address("etcd")))
    yield client
    shakeout_runner.run(client.delete_prefix("/t/"))


async def value(client, key):
    found = await client.get(key)
    return None if found is None else found.value


async def keys(client, prefix):
    return [item.key for item in (await client.range(prefix)).items]


async def test_put_get_delete(etcd):
    revision = await etcd.put("/t/a", b"\x00\xff")
    assert await etcd.get("/t/a") == KeyValue("/t/a", b"\x00\xff", revision, 0)
    assert await etcd.delete("/t/a")
    assert not await etcd.delete("/t/a")
    assert await etcd.get("/t/a") is None


async def test_range_is_of_the_prefix_only(etcd):
    for key in ("/t/b/1", "/t/b/2", "/t/b", "/t/b0", "/t/c", "/t/bé"):
        await etcd.put(key, b"")
    assert await keys(etcd, "/t/b/") == ["/t/b/1", "/t/b/2"]
    assert await etcd.delete_prefix("/t/b/") == 2
    assert await keys(etcd, "/t/") == ["/t/b", "/t/b0", "/t/bé", "/t/c"]


async def test_swap_wants_the_revision(etcd):
    assert await etcd.swap("/t/a", b"1", revision=ABSENT)
    assert not await etcd.swap("/t/a", b"2", revision=ABSENT)
    at = (await etcd.get("/t/a")).revision
    assert await etcd.swap("/t/a", b"3", revision=at)
    assert not await etcd.swap("/t/a", b"4", revision=at)
    assert await value(etcd, "/t/a") == b"3"


async def test_one_of_ten_contenders_wins(etcd):
    async with asyncio.TaskGroup() as group:
        tries = [
            group.create_task(etcd.swap("/t/lock", str(n).encode(), revision=ABSENT))
            for n in range(10)
        ]
    assert sorted(each.result() for each in tries) == [False] * 9 + [True]


async def test_lease_takes_its_keys_with_it(etcd):
    lease = await etcd.grant(60)
    await etcd.put("/t/a", b"", lease=lease)
    assert (await etcd.get("/t/a")).lease == lease
    assert await etcd.keep_alive(lease) == 60
    await etcd.revoke(lease)
    assert await etcd.get("/t/a") is None
    assert await etcd.keep_alive(lease) == 0
    await etcd.revoke(lease)


async def test_put_on_a_lease_that_is_gone_is_refused(etcd):
    with pytest.raises(EtcdUnavailable, match="lease not found"):
        await etcd.put("/t/a", b"", lease=12345)


async def test_watch_gives_a_snapshot_and_then_each_change(etcd):
    await etcd.put("/t/w/a", b"1")
    watch: Any = etcd_watch.watch(etcd, "/t/w/")
    async with asyncio.timeout(WITHIN_SECONDS):
        snapshot = await anext(watch)
        await etcd.put("/t/other", b"")
        await etcd.put("/t/w/b", b"2" * 200_000)
        await etcd.delete("/t/w/a")
        put, deleted = await anext(watch), await anext(watch)
    await watch.aclose()
    assert [item.key for item in snapshot.items] == ["/t/w/a"]
    assert (put.key, len(put.value)) == ("/t/w/b", 200_000)
    assert deleted == Deleted("/t/w/a")


async def test_watch_misses_nothing_between_snapshot_and_stream(etcd):
    watch: Any = etcd_watch.watch(etcd, "/t/w/")
    async with asyncio.timeout(WITHIN_SECONDS):
        await anext(watch)
        for n in range(50):
            await etcd.put("/t/w/n", str(n).encode())
        seen = [(await anext(watch)).value for _ in range(50)]
    await watch.aclose()
    assert seen == [str(n).encode() for n in range(50)]


async def test_watch_goes_on_after_a_restart_with_what_it_missed(private_cluster):
    async with (
        Etcd.open(private_cluster.address("etcd")) as client,
        asyncio.timeout(WITHIN_SECONDS),
    ):
        watch: Any = etcd_watch.watch(client, "/t/")
        await anext(watch)
        await client.put("/t/a", b"1")
        assert (await anext(watch)).value == b"1"
        await private_cluster.restart("etcd")
        await client.put("/t/a", b"2")
        assert (await anext(watch)).value == b"2"
        await watch.aclose()


async def test_etcd_that_is_away_is_asked_often(private_cluster, pauses):
    async with (
        Etcd.open(private_cluster.address("etcd")) as client,
        asyncio.timeout(2 * WITHIN_SECONDS),
    ):
        watch: Any = etcd_watch.watch(client, "/t/")
        await anext(watch)
        async with asyncio.TaskGroup() as group:
            told = group.create_task(anext(watch))
            await private_cluster.kill("etcd")
            await until(lambda: len(pauses) >= 6, within=WITHIN_SECONDS)
            await private_cluster.start("etcd")
            await client.put("/t/a", b"1")
        assert told.result().value == b"1"
        await watch.aclose()
    assert max(pauses) <= tasks.RECONNECT_SECONDS_MAX


async def test_compacted_revision_is_noticed(etcd):
    await etcd.put("/t/a", b"1")
    revision = await etcd.put("/t/a", b"2")
    await etcd._call("kv/compaction", {"revision": str(revision)})
    changes = etcd_watch._changes(etcd, "/t/", 1, tasks.Outage("watch"))
    with pytest.raises(etcd_watch._Elsewhere):
        await anext(changes)


@pytest.mark.links
async def test_watch_that_was_cut_off_goes_on_after_a_compaction(private_cluster):
    """Behaviour 64: a watch that is behind. Cut it off, change much, compact; it gives all keys anew and then each change."""
    link = private_cluster.links.link("test", "etcd")
    async with (
        Etcd.open(private_cluster.public_address("etcd")) as watcher,
        Etcd.open(private_cluster.address("etcd")) as client,
        asyncio.timeout(WITHIN_SECONDS),
    ):
        watch: Any = etcd_watch.watch(watcher, "/t/")
        await anext(watch)
        await link.set(Behaviour.severed())
        for n in range(19):
            await client.put("/t/a", str(n).encode())
        revision = await client.put("/t/a", b"19")
        await client._call("kv/compaction", {"revision": str(revision), "physical": True})
        await link.restore()
        again = await anext(watch)
        assert [(item.key, item.value) for item in again.items] == [("/t/a", b"19")]
        await client.put("/t/b", b"1")
        assert (await anext(watch)).key == "/t/b"
        await watch.aclose()


async def test_watch_goes_on_in_a_store_that_was_emptied(private_cluster):
    """Behaviour 64: revisions begin anew in an etcd without data. Empty it under a watch; it gives all keys anew and then each change."""
    place = private_cluster.place("etcd")
    async with (
        Etcd.open(private_cluster.address("etcd")) as client,
        asyncio.timeout(WITHIN_SECONDS),
    ):
        for n in range(100):
            await client.put("/t/a", str(n).encode())
        watch: Any = etcd_watch.watch(client, "/t/")
        assert len((await anext(watch)).items) == 1
        await private_cluster.kill("etcd")
        shutil.rmtree(place.directory / "data")
        await private_cluster.start("etcd")
        async with asyncio.TaskGroup() as group:
            told = group.create_task(anext(watch))
            await client.put("/t/b", b"1")
        assert isinstance(told.result(), Snapshot)
        await client.put("/t/c", b"1")
        while (await anext(watch)).key != "/t/c":
            pass
        await watch.aclose()


async def test_silent_watch_is_opened_again(etcd, monkeypatch):
    monkeypatch.setattr(etcd_watch, "SILENCE_SECONDS_MAX", 0.05)
    watch: Any = etcd_watch.watch(etcd, "/t/")
    async with asyncio.timeout(WITHIN_SECONDS):
        assert isinstance(await anext(watch), Snapshot)
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(anext(watch))
            await tasks.pause(0.2)
            await etcd.put("/t/a", b"late")
        assert reading.result().value == b"late"
    await watch.aclose()


async def test_registration_lives_as_long_as_its_block(etcd):
    async with Registration.open(etcd, "/t/r", json.dumps({}).encode(), lease_seconds=5) as kept:
        assert kept.healthy
        assert (await etcd.get("/t/r")).lease
        await kept.update(b"new")
        assert await value(etcd, "/t/r") == b"new"
    assert await etcd.get("/t/r") is None


async def test_registration_outlives_its_lease(etcd):
    async with Registration.open(etcd, "/t/r", b"x", lease_seconds=1):
        async with asyncio.timeout(WITHIN_SECONDS):
            await tasks.pause(2.5)
        assert await value(etcd, "/t/r") == b"x"


async def test_registration_comes_back_after_a_loss(etcd):
    async with Registration.open(etcd, "/t/r", b"x", lease_seconds=2):
        await etcd.revoke((await etcd.get("/t/r")).lease)
        assert await until(
            lambda: value(etcd, "/t/r"), within=WITHIN_SECONDS, describe="registered again"
        )


async def test_registration_tells_when_etcd_is_away(private_cluster):
    async with Etcd.open(private_cluster.address("etcd")) as client:
        async with Registration.open(client, "/t/r", b"x", lease_seconds=1) as kept:
            await private_cluster.stop("etcd")
            await until(lambda: not kept.healthy, within=WITHIN_SECONDS)
            await private_cluster.start("etcd")
            await until(lambda: kept.healthy, within=WITHIN_SECONDS)
            assert await value(client, "/t/r") == b"x"


async def test_absent_etcd_is_unavailable():
    async with Etcd.open("http://127.0.0.1:1") as client:
        with pytest.raises(EtcdUnavailable):
            await client.check()
