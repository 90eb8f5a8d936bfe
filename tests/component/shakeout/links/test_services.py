"""Real servers behind links: PostgreSQL, Redis, etcd, an HTTP server. The test itself is who connects."""

import asyncio
import signal

import psycopg
import pytest
import redis.asyncio

from shakeout.links.behaviour import Behaviour
from shakeout.links.errors import NoSuchLink
from shakeout.services.redis import Redis
from shakeout.system import loopback
from shakeout.system.model import System
from shakeout.waiting.until import until


async def berths(connection):
    rows = await (await connection.execute("SELECT number FROM berths ORDER BY 1")).fetchall()
    return [number for (number,) in rows]


def http_port(cluster, target):
    return int(cluster.public_address(target).rpartition(":")[2])


async def test_addresses_of_components_are_those_of_fronts(linked):
    """What a component is told differs from where servers listen; what tests use does not."""
    place = linked.place("boat")
    for target in ("lighthouse.http", "etcd"):
        assert place.address(target) == linked.public_address(target) != linked.address(target)
    assert place.address("boat") == linked.public_address("boat") != linked.address("boat")
    assert linked.address("boat") == f"http://127.0.0.1:{place.port('http')}"
    assert linked.place("etcd").address("redis") == linked.public_address("redis")


async def test_postgres_session_lives_and_is_reset(linked, link):
    edge = link("test", "postgres")
    url = linked.public_address("postgres.harbour")
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        assert await berths(connection) == [1, 2]
        await edge.reset()
        with pytest.raises(psycopg.OperationalError):
            await connection.execute("SELECT 1")
    async with await psycopg.AsyncConnection.connect(url) as connection:
        assert await berths(connection) == [1, 2]


async def test_postgres_answer_is_lost_and_the_work_is_done(linked, link):
    """The unknown outcome: what was asked is committed, and nobody hears of it before the link is restored."""
    edge = link("test", "postgres")
    url = linked.public_address("postgres")
    async with (
        await psycopg.AsyncConnection.connect(url, autocommit=True) as connection,
        await psycopg.AsyncConnection.connect(
            linked.address("postgres"), autocommit=True
        ) as direct,
    ):
        await edge.set(Behaviour.deaf_source())
        async with asyncio.TaskGroup() as group:
            insert = group.create_task(connection.execute("INSERT INTO berths VALUES (7)"))
            await until(lambda: berths(direct), within=5, satisfied=lambda found: 7 in found)
            assert not insert.done()
            await edge.restore()
        await connection.execute("DELETE FROM berths WHERE number = 7")


async def test_redis_is_cut_and_back(linked, link):
    edge = link("test", "redis")
    client = redis.asyncio.Redis.from_url(linked.public_address("redis"))
    async with client:
        assert await client.ping()
        await edge.set(Behaviour.severed())
        with pytest.raises(redis.ConnectionError):
            await client.execute_command("ECHO", "x")
        await edge.restore()
        assert await client.ping()


async def test_target_of_held_bytes_does_not_hear_of_a_new_connection(linked, link):
    """Nothing of what the source does arrives, and all of it after the restoration."""
    edge = link("test", "redis")
    async with redis.asyncio.Redis.from_url(linked.address("redis")) as direct:
        before = len(await direct.client_list())
        await edge.set(Behaviour.deaf_target())
        async with redis.asyncio.Redis.from_url(linked.public_address("redis")) as client:
            async with asyncio.TaskGroup() as group:
                asking = group.create_task(pong(client))
                await until(lambda: held(edge), within=5)
                assert len(await direct.client_list()) == before
                assert not asking.done()
                await edge.restore()
            assert asking.result()


async def pong(client):
    return await client.ping()


async def held(edge):
    return (await edge.counters()).open


async def test_queue_of_a_unix_socket_may_be_full(booted, harbour):
    """Connections wait until a server that was stopped takes them from its short queue."""
    short = Redis(settings={"tcp-backlog": "4"})
    async with booted(System("short", services=(short,)), links=True) as cluster:
        process = cluster.process("redis")
        await process.signal(signal.SIGSTOP)
        clients = [
            redis.asyncio.Redis.from_url(cluster.public_address("redis")) for _ in range(20)
        ]
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(pong(client)) for client in clients]
            await until(lambda: all_open(cluster, len(clients)), within=5)
            assert not any(one.done() for one in asking)
            await process.signal(signal.SIGCONT)
        for client in clients:
            await client.aclose()


async def all_open(cluster, count):
    return await held(cluster.links.link("test", "redis")) == count


async def test_slow_etcd_answers_late(linked, link):
    edge = link("test", "etcd")
    clock = asyncio.get_running_loop().time
    await edge.set(Behaviour.delayed(0.05))
    began = clock()
    answer = await loopback.request(http_port(linked, "etcd"), "GET", "/version")
    assert answer.status == 200
    assert clock() - began >= 0.1


async def test_s3_answers_by_way_of_its_front(booted, harbour):
    """An optional service has a front from the start, and starts later."""
    async with booted(harbour.system, links=True) as cluster:
        await cluster.start("s3")
        answer = await loopback.request(http_port(cluster, "s3"), "GET", "/")
        assert b"<Error><Code>" in answer.body
        assert (await cluster.links.link("test", "s3").counters()).bytes_back >= len(answer.body)


async def test_server_that_does_not_run_ends_the_connection(booted, harbour):
    """A front accepts for a member that is down, and ends the connection at once; it is the same address afterwards."""
    async with booted(harbour.small, links=True) as cluster:
        port = http_port(cluster, "dinghy")
        assert (await loopback.request(port, "GET", "/health")).status == 200
        await cluster.stop("dinghy")
        with pytest.raises(ConnectionResetError):
            await loopback.request(port, "GET", "/health")
        await cluster.start("dinghy")
        assert (await loopback.request(port, "GET", "/health")).status == 200


async def test_server_that_dies_resets_its_connections(booted, harbour):
    async with booted(harbour.small, links=True) as cluster:
        url = cluster.public_address("redis")
        async with redis.asyncio.Redis.from_url(url) as client:
            assert await client.ping()
            await cluster.kill("redis")
            with pytest.raises(redis.ConnectionError):
                await client.execute_command("ECHO", "x")
            await cluster.start("redis")
            assert await client.ping()


async def test_link_without_an_edge_is_refused(linked):
    with pytest.raises(NoSuchLink, match="no edge boat -> redis is declared; there are boat -> "):
        linked.links.link("boat", "redis")
    with pytest.raises(NoSuchLink):
        linked.links.link("lighthouse", "moon")


async def test_cluster_without_links_has_no_proxy(booted, harbour):
    async with booted(harbour.small) as cluster:
        assert cluster.links is None
        assert cluster.public_address("redis") == cluster.address("redis")
        assert "links" not in cluster.processes()
