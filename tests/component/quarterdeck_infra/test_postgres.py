"""The pool, transactions and retries on a real PostgreSQL, also when it is restarted."""

import asyncio
import contextlib

import psycopg
import pytest

from quarterdeck.infra import postgres, postgres_reconnection
from quarterdeck.infra.errors import Contended, DatabaseUnavailable
from quarterdeck.wire import problem
from shakeout.waiting.until import until


def pool(cluster, **options):
    return postgres.Database.open(cluster.address("postgres"), application_name="t", **options)


@pytest.fixture
def database(cluster, opened):
    """A pool."""
    return opened(pool(cluster))


@pytest.fixture
def counter(database, shakeout_runner):
    """A table with one row, a number that begins with 0."""
    shakeout_runner.run(database.execute("CREATE TABLE counter (value int)"))
    shakeout_runner.run(database.execute("INSERT INTO counter VALUES (0)"))
    yield database
    shakeout_runner.run(database.execute("DROP TABLE counter"))


class Refusing:
    """What looks like a PostgreSQL that ends each connection at once."""

    def __init__(self):
        self.asked = 0

    async def serve(self, directory):
        return await asyncio.start_unix_server(self._refuse, directory / ".s.PGSQL.5432")

    def _refuse(self, _, writer):
        self.asked += 1
        writer.close()


async def value(database):
    return (await database.fetch_one("SELECT value FROM counter"))["value"]


async def increment(connection):
    await connection.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
    row = await (await connection.execute("SELECT value FROM counter")).fetchone()
    await connection.execute("UPDATE counter SET value = %s", (row["value"] + 1,))


async def test_rows_are_dicts(database):
    assert await database.fetch("SELECT %(x)s::int AS a, 'b' AS b", {"x": 1}) == [
        {"a": 1, "b": "b"}
    ]
    assert await database.fetch_one("SELECT 1 AS a WHERE false") is None
    assert await database.execute("SELECT generate_series(1, 3)") == 3


async def test_one_caller_is_served_by_one_process(database):
    """It has plans and tables at hand. Use several connections at once; whoever comes alone then gets the last one again and again."""
    async with contextlib.AsyncExitStack() as stack:
        lent = [await stack.enter_async_context(database.connection()) for _ in range(4)]
        last = lent[0].info.backend_pid
    rows = [await database.fetch_one("SELECT pg_backend_pid() AS pid") for _ in range(4)]
    assert {row["pid"] for row in rows} == {last}


async def test_transaction_that_fails_changes_nothing(counter):
    async def change():
        async with counter.transaction() as connection:
            await connection.execute("UPDATE counter SET value = 5")
            raise LookupError

    with pytest.raises(LookupError):
        await change()
    assert await value(counter) == 0


async def test_lost_races_are_run_again(counter):
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(counter.retrying(increment))
    assert await value(counter) == 4


async def test_race_that_is_always_lost_is_given_up(counter):
    runs = 0

    async def lose(connection):
        nonlocal runs
        runs += 1
        await connection.execute("DO $$ BEGIN RAISE serialization_failure; END $$")

    with pytest.raises(Contended):
        await counter.retrying(lose)
    assert runs == postgres.ATTEMPTS_MAX


@pytest.mark.parametrize("lost", ["deadlock_detected", "serialization_failure"])
async def test_lost_race_of_one_statement_is_told_as_unavailable(database, lost):
    with pytest.raises(Contended) as contended:
        await database.execute(f"DO $$ BEGIN RAISE {lost}; END $$")
    assert problem.make(contended.value.code, contended.value.detail).status == 503


async def test_own_errors_pass_through(database):
    with pytest.raises(psycopg.errors.UndefinedColumn):
        await database.fetch("SELECT nope")


async def test_unreachable_database_is_unavailable(tmp_path, monkeypatch):
    monkeypatch.setattr(postgres, "OPEN_SECONDS_MAX", 0.1)
    manager = postgres.Database.open(
        f"postgresql://x@/x?host={tmp_path}", application_name="t", size_min=1
    )
    with pytest.raises(DatabaseUnavailable):
        await manager.__aenter__()


async def test_exhausted_pool_is_unavailable_and_recovers(cluster, monkeypatch):
    monkeypatch.setattr(postgres, "ACQUIRE_SECONDS_MAX", 0.05)
    async with pool(cluster, size_min=1, size_max=1) as database:
        async with database.connection():
            with pytest.raises(DatabaseUnavailable, match="came free"):
                await database.fetch("SELECT 1")
        await database.check()


async def test_restarted_server_is_noticed_once(private_cluster):
    async with pool(private_cluster, size_min=4, size_max=4) as database:
        await private_cluster.restart("postgres")
        with pytest.raises(DatabaseUnavailable):
            await database.check()

        async def works():
            await database.check()
            return True

        assert await until(works, within=10, retry_on=(DatabaseUnavailable,))
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(database.check())


@pytest.mark.parametrize("round_seconds", [postgres_reconnection.ROUND_SECONDS_MAX, 0.2])
async def test_killed_server_serves_callers_as_soon_as_it_is_back(
    private_cluster, monkeypatch, round_seconds
):
    """Also if the pool gave up its connections meanwhile, which it does after two rounds of attempts."""
    monkeypatch.setattr(postgres, "ACQUIRE_SECONDS_MAX", 1.2)
    monkeypatch.setattr(postgres_reconnection, "ROUND_SECONDS_MAX", round_seconds)
    async with pool(private_cluster, size_min=2, size_max=2) as database:
        await private_cluster.kill("postgres")
        with pytest.raises(DatabaseUnavailable, match="does not answer"):
            await database.check()
        with pytest.raises(DatabaseUnavailable, match="came free"):
            await database.check()
        await private_cluster.start("postgres")
        await database.check()


async def test_callers_wait_while_the_server_starts(private_cluster, monkeypatch):
    monkeypatch.setattr(postgres_reconnection, "ROUND_SECONDS_MAX", 0.1)
    async with pool(private_cluster, size_min=2, size_max=2) as database:
        await private_cluster.kill("postgres")
        with pytest.raises(DatabaseUnavailable):
            await database.check()
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(database.check())
            await until(lambda: given_up(database), within=4)
            await private_cluster.start("postgres")


def given_up(database):
    """Tell whether callers wait although the pool has given up its connections; it makes one at a time then."""
    found = database._pool.get_stats()
    return found["requests_waiting"] == 8 and found["pool_size"] < 2


async def test_refused_connection_is_tried_again_after_a_short_pause(tmp_path, pauses):
    server = Refusing()

    async def open_():
        async with postgres.Database.open(
            f"postgresql://x@/x?host={tmp_path}", application_name="t", size_min=1
        ):
            raise AssertionError

    async with await server.serve(tmp_path), asyncio.TaskGroup() as group:
        opening = group.create_task(open_())
        assert await until(lambda: server.asked >= 10, within=5)
        opening.cancel()
    assert len(pauses) >= server.asked - 1
    assert all(0.05 <= one <= 0.1 for one in pauses)


async def test_pool_closes_while_the_server_is_away(private_cluster, monkeypatch, caplog):
    monkeypatch.setattr(postgres_reconnection, "ROUND_SECONDS_MAX", 60)
    async with pool(private_cluster) as database:
        await private_cluster.kill("postgres")
        with pytest.raises(DatabaseUnavailable):
            await database.check()
    assert "couldn't stop" not in caplog.text
    assert not [one for one in asyncio.all_tasks() if one.get_name().startswith("pool-")]
