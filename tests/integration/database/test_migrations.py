"""The schema: up, down and up again from the command line, and a manager that refuses a database that is not migrated."""

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping

import psycopg
import pytest

from quarterdeck.testing import tenancy
from shakeout.waiting.until import until

SCHEMA = """
    SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name <> 'alembic_version' ORDER BY 1, 2
"""


@pytest.fixture
def empty_database(cluster, observe) -> Iterator[str]:
    """URL of a database without any table, beside the manager's."""
    name = f"empty_{os.getpid()}"
    observe.database.execute(f"CREATE DATABASE {name} TEMPLATE template1")
    yield cluster.address("postgres").replace("/quarterdeck?", f"/{name}?")
    observe.database.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_schema_goes_up_down_and_up_again(empty_database, observe):
    """Each move is complete. Migrate a fresh database up, down and up; the result equals the running manager's schema."""
    expected = columns(observe.database.info.dsn)
    assert len(expected) > 50
    for direction, wanted in (("upgrade", expected), ("downgrade", []), ("upgrade", expected)):
        await migrate(empty_database, direction)
        assert columns(empty_database) == wanted


async def test_upgrade_of_a_current_database_keeps_its_rows(empty_database):
    """Upgrading twice is harmless. Write a user, upgrade again, find the user."""
    await migrate(empty_database, "upgrade")
    with psycopg.connect(empty_database) as database:
        database.execute(
            "INSERT INTO users (id, name, role) VALUES (gen_random_uuid(), 'ada', 'user')"
        )
    await migrate(empty_database, "upgrade")
    with psycopg.connect(empty_database) as database:
        assert database.execute("SELECT name FROM users").fetchall() == [("ada",)]


async def test_manager_refuses_a_database_that_is_not_migrated(empty_database, cluster):
    """A manager never works on a schema it does not know. Start one on an empty database; it ends and says what to do."""
    manager = next(one for one in cluster.system.components if one.name == "manager")
    environment = dict(manager.environment(cluster.place("manager")))
    environment |= {
        "QD_DATABASE_URL": empty_database,
        "QD_ID": "stranger",
        "QD_LISTEN": "127.0.0.1:0",
    }
    code, said = await run("quarterdeck.manager", environment)
    assert code != 0
    assert "quarterdeck.manager.migrations upgrade" in said
    assert columns(empty_database) == []


async def test_platform_begins_anew_on_a_schema_that_went_down_and_up(
    private_cluster, user, observe
):
    """Behaviour 61: down and up with real rows. Move the schema under a running session; its kernel goes as an orphan, the administrator is back, a session runs."""
    session = await user.sessions.create()
    await session.reaches("RUNNING", within=10)
    await private_cluster.stop("manager")
    for direction in ("downgrade", "upgrade"):
        await migrate(private_cluster.address("postgres"), direction)
    assert observe.value("SELECT count(*) FROM sessions") == 0
    await private_cluster.start("manager")
    await until(observe.live_kernels, within=20, satisfied=lambda live: live == [])
    async with tenancy.visitor(private_cluster, "second") as second:
        await (await second.sessions.create(wait=10)).reaches("RUNNING", within=10)
    assert observe.slots_in_use() == (1, 256)


async def migrate(database_url: str, direction: str) -> None:
    words = [direction] if direction == "upgrade" else [direction, "base"]
    code, said = await run(
        "quarterdeck.manager.migrations", {"QD_DATABASE_URL": database_url}, *words
    )
    assert code == 0, said


async def run(module: str, environment: Mapping[str, str], *words: str) -> tuple[int, str]:
    path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**environment, **path},
    )
    async with asyncio.timeout(30):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


def columns(database_url: str) -> list[tuple[str, ...]]:
    with psycopg.connect(database_url) as database:
        return database.execute(SCHEMA).fetchall()
