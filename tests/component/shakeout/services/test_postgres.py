"""PostgreSQL as Shakeout runs it: prepared data, restarts, kills, and what is told when it fails."""

import asyncio
import dataclasses

import psycopg
import pytest

from shakeout.checks.check import LeakCheck
from shakeout.process.errors import ComponentDied
from shakeout.services import postgres_data
from shakeout.services.errors import PreparationFailed
from shakeout.services.postgres import Postgres
from shakeout.services.postgres_data import Database
from shakeout.system import boot
from shakeout.system.model import System


async def query(url, sql):
    """Rows of one command, in a session of its own."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(sql)
        return await cursor.fetchall() if cursor.description else []


async def berths(cluster):
    rows = await query(cluster.address("postgres"), "SELECT number FROM berths ORDER BY 1")
    return [number for (number,) in rows]


async def test_the_prepared_database_is_there(booted, harbour):
    async with booted(harbour.berths) as cluster:
        assert await berths(cluster) == [1, 2]


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_data_survives(booted, end, harbour):
    async with booted(harbour.berths) as cluster:
        await query(cluster.address("postgres"), "INSERT INTO berths VALUES (3)")
        await getattr(cluster, end)("postgres")
        await cluster.start("postgres")
        assert await berths(cluster) == [1, 2, 3]


async def test_a_restart_cuts_open_sessions(booted, harbour):
    async with booted(harbour.berths) as cluster:
        async with await psycopg.AsyncConnection.connect(cluster.address("postgres")) as session:
            await cluster.restart("postgres")
            with pytest.raises(psycopg.OperationalError):
                await session.execute("SELECT 1")


async def test_clusters_do_not_see_each_others_rows(booted, harbour):
    async with booted(harbour.berths) as one, booted(harbour.berths) as other:
        await query(one.address("postgres"), "DELETE FROM berths")
        assert await berths(other) == [1, 2]


async def test_the_directory_is_prepared_once_and_then_copied(empty_cache_run, harbour):
    async with await boot.boot(harbour.berths, empty_cache_run, name="first") as first:
        assert (first.place("postgres").directory / "prepare.log").exists()
    async with await boot.boot(harbour.berths, empty_cache_run, name="second") as second:
        assert not (second.place("postgres").directory / "prepare.log").exists()
        assert await berths(second) == [1, 2]


async def test_two_first_boots_at_once_prepare_once(empty_cache_run, harbour):
    async with asyncio.TaskGroup() as group:
        boots = [
            group.create_task(boot.boot(harbour.berths, empty_cache_run, name=name))
            for name in ("left", "right")
        ]
    prepared = 0
    for task in boots:
        async with task.result() as cluster:
            prepared += (cluster.place("postgres").directory / "prepare.log").exists()
            assert await berths(cluster) == [1, 2]
    assert prepared == 1


async def test_another_key_prepares_anew(empty_cache_run, harbour):
    changed = dataclasses.replace(harbour.HARBOUR, key=lambda: "2")
    for database in (harbour.HARBOUR, changed):
        system = System("keys", services=(Postgres(databases=(database,)),))
        async with await boot.boot(system, empty_cache_run, name=f"key{id(database)}"):
            pass
    kept = [one for one in (empty_cache_run.settings.cache / "postgres").iterdir() if one.is_dir()]
    assert len(kept) == 2


async def test_a_failed_preparation_is_told_and_not_kept(empty_cache_run):
    leaking = Database("leaking", prepare="harbour:leak")
    system = System("leak", services=(Postgres(databases=(leaking,)),))
    with pytest.raises(PreparationFailed, match=r"harbour:leak\(.*exited with code 1"):
        await boot.boot(system, empty_cache_run, name="leak")
    kept = [one for one in (empty_cache_run.settings.cache / "postgres").iterdir() if one.is_dir()]
    assert kept == []
    assert empty_cache_run.failure is None


async def test_a_wrong_setting_ends_the_boot_with_the_servers_words(harness_run):
    wrong = System("wrong", services=(Postgres(settings={"shared_buffers": "lots"}),))
    with pytest.raises(ComponentDied, match="invalid value for parameter"):
        await boot.boot(wrong, harness_run, name="wrong")


@pytest.mark.parametrize(("durable", "expected"), [(False, "off"), (True, "on")])
async def test_durability_is_off_unless_asked_for(booted, durable, expected):
    async with booted(System("d", services=(Postgres(),)), durable=durable) as cluster:
        assert await query(cluster.address("postgres"), "SHOW fsync") == [(expected,)]
        assert await query(cluster.address("postgres"), "SHOW synchronous_commit") == [("on",)]


CUT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


async def test_leak_check_outlives_the_end_of_all_sessions(booted, harbour):
    """A test that cuts sessions is no failed look of the harness. Cut all, the leak check's own among them."""
    async with booted(harbour.berths) as cluster:
        check = LeakCheck(cluster)
        await check.begin()
        assert await query(cluster.address("postgres"), CUT) == [(1,)]
        await check.verify()
        check.close()


async def test_a_preparation_that_does_not_end_is_told(empty_cache_run, monkeypatch):
    """No boot waits for ever. Let a function of the user's wait for what never comes."""
    monkeypatch.setattr(postgres_data, "STEP_SECONDS_MAX", 8.0)
    waiting = Database("waiting", prepare="harbour:wait")
    system = System("wait", services=(Postgres(databases=(waiting,)),))
    with pytest.raises(PreparationFailed, match=r"harbour:wait\(.*has not ended within 8 s"):
        await boot.boot(system, empty_cache_run, name="wait")
