"""Faults of services, as their clients see them through drivers of their own."""

import contextlib

import psycopg
import pytest
import redis

from shakeout.faults import lifecycle
from shakeout.faults.errors import FaultUnavailable
from shakeout.faults.service import Exhaust, Flush, LoseLeases, ReadOnly
from shakeout.services.etcd import Etcd


@pytest.fixture
def database(afloat):
    """Opens connections to PostgreSQL."""
    url = afloat.address("postgres")
    return lambda: contextlib.closing(psycopg.connect(url, autocommit=True))


@pytest.fixture
def cache(afloat):
    """A client of Redis."""
    with redis.Redis(unix_socket_path=afloat.address("redis").removeprefix("unix://")) as client:
        yield client


async def test_exhausted_postgres_refuses_new_clients_and_keeps_old_ones(afloat, database):
    with database() as early:
        async with lifecycle.injected(Exhaust("postgres"), afloat):
            with pytest.raises(psycopg.OperationalError, match="too many clients"):
                database()
            early.execute("SELECT 1")
        with database() as late:
            late.execute("SELECT 1")


async def test_read_only_postgres_refuses_writes_and_reads_on(afloat, database):
    async with lifecycle.injected(ReadOnly("postgres"), afloat):
        with database() as connection:
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                connection.execute("INSERT INTO berths VALUES (77)")
            assert connection.execute("SELECT count(*) FROM berths").fetchone() == (2,)
    with database() as connection:
        connection.execute("INSERT INTO berths VALUES (77)")
        connection.execute("DELETE FROM berths WHERE number = 77")


async def test_postgres_that_turns_read_only_cuts_its_sessions(afloat, database):
    with database() as connection:
        async with lifecycle.injected(ReadOnly("postgres"), afloat):
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")


async def test_exhausted_redis_refuses_new_clients(afloat, cache):
    async with lifecycle.injected(Exhaust("redis"), afloat):
        with pytest.raises(redis.ConnectionError):
            cache.ping()
    assert cache.ping()
    assert cache.config_get("maxclients")["maxclients"] != "1"


async def test_read_only_redis_refuses_writes_and_reads_on(afloat, cache):
    cache.set("cargo", "tea")
    async with lifecycle.injected(ReadOnly("redis"), afloat):
        with pytest.raises(redis.ResponseError, match="NOREPLICAS"):
            cache.set("cargo", "silk")
        assert cache.get("cargo") == b"tea"
    cache.delete("cargo")


async def test_flushed_redis_has_lost_everything(afloat, cache):
    cache.set("cargo", "tea")
    async with lifecycle.injected(Flush("redis"), afloat):
        assert cache.get("cargo") is None


async def test_leases_are_lost_and_waited_for(afloat):
    etcd, place = Etcd(), afloat.member("etcd").place
    held = await etcd.grant(place)
    async with lifecycle.injected(LoseLeases("etcd"), afloat):
        assert await etcd.leases(place) == frozenset()
        renewed = await etcd.grant(place)
    assert held != renewed
    await etcd.revoke(place, renewed)


async def test_power_that_a_service_lacks_is_told(afloat):
    with pytest.raises(FaultUnavailable, match=r"flush postgres .*: what it holds cannot be made"):
        await lifecycle.injected(Flush("postgres"), afloat).__aenter__()
