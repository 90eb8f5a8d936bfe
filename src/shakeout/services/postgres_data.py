"""How a PostgreSQL data directory is made: initdb, databases, the user's own preparation.

Takes about two seconds, once; `template` keeps the result under `Recipe.key`.
"""

import asyncio
import hashlib
import signal
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import NoReturn

from shakeout.process import logs
from shakeout.process.handle import Process
from shakeout.services import binaries, ending, postgres_wire, unprivileged
from shakeout.services.errors import PreparationFailed, QueryFailed
from shakeout.system import readiness
from shakeout.system.host import Host
from shakeout.system.place import Place

SUPERUSER = "shakeout"
MAINTENANCE = "postgres"
TEMPLATE = "template1"
PREPARE_LOG = "prepare.log"
PREPARATION = "shakeout.services.preparation:main"
LAYOUT = "1"
"""Change it when this module makes the directory differently."""
INITDB_SWITCHES = ("--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
SEGMENT_MEGABYTES = 1
SEGMENT_MEGABYTES_DURABLE = 16
READY_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 30.0
STEP_SECONDS_MAX = 120.0
"""Of the preparation: `initdb`, or one function of the user's."""
LINES_SHOWN = 30

BUILDING = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "wal_recycle": "off",
    "min_wal_size": "32MB",
}


@dataclass(frozen=True)
class Database:
    """A database that exists, and is prepared, before the server first starts."""

    name: str
    _: KW_ONLY
    prepare: str = ""
    """`module:function`, called once with the database's URL in a process of its own."""
    key: str | Callable[[], str] = ""
    """Changes when `prepare` would make something else, for instance a hash of the migrations."""

    def fingerprint(self) -> str:
        """What the kept directory depends on."""
        return "\0".join(
            (self.name, self.prepare, self.key if isinstance(self.key, str) else self.key())
        )


@dataclass(frozen=True)
class Recipe:
    """Makes the data directory of one server."""

    databases: tuple[Database, ...]
    place: Place
    host: Host

    def key(self) -> str:
        """Same key, same directory."""
        parts = (
            LAYOUT,
            binaries.version(binaries.POSTGRES),
            *self._initdb_switches(),
            *(one.fingerprint() for one in self.databases),
        )
        return hashlib.sha256("\1".join(parts).encode()).hexdigest()[:32]

    async def build(self, data: Path) -> None:
        """Make the directory and leave it cleanly shut down. Raises PreparationFailed."""
        unprivileged.hand_over(self.place.directory)
        initdb = (str(binaries.locate(binaries.INITDB)), "-D", str(data), *self._initdb_switches())
        command = unprivileged.command(initdb)
        await self._finish("initdb", await self.host.execute(self.place, command, PREPARE_LOG))
        process = await self._serve(data)
        try:
            for database in self.databases:
                await self._create(database)
            await self._drop_spare_databases()
        finally:
            await ending.stop(process, signal.SIGINT, STOP_SECONDS_MAX)

    async def _serve(self, data: Path) -> Process:
        """Run the server on the new directory until it answers."""
        argv = server(data, self.place.directory, BUILDING)
        process = await self.host.execute(self.place, argv, PREPARE_LOG)

        async def probe() -> str:
            if process.exit is not None:
                return ""
            return await self._refusal()

        missing = await readiness.missing(probe, READY_SECONDS_MAX)
        if missing or process.exit is not None:
            self._fail("the server", str(process.exit or missing), process.log)
        return process

    async def _refusal(self) -> str:
        try:
            await self._query("SELECT 1")
        except (QueryFailed, OSError) as refusal:
            return str(refusal)
        return ""

    async def _create(self, database: Database) -> None:
        """Create one database and let the user's function prepare it."""
        if database.name != MAINTENANCE:
            await self._query(f'CREATE DATABASE "{database.name}"')
        if database.prepare:
            where = url(self.place.directory, database.name)
            args = (database.prepare, where)
            process = await self.host.call(self.place, PREPARATION, args, PREPARE_LOG)
            await self._finish(f"{database.prepare}({where})", process)

    async def _drop_spare_databases(self) -> None:
        """A third of the copying time of each start goes with them."""
        await self._query(
            "UPDATE pg_database SET datistemplate = false WHERE datname = 'template0'"
        )
        await self._query("DROP DATABASE template0")
        if all(one.name != MAINTENANCE for one in self.databases):
            await self._query(f"DROP DATABASE {MAINTENANCE}", TEMPLATE)

    async def _query(self, sql: str, database: str = MAINTENANCE) -> None:
        await postgres_wire.query(socket(self.place.directory), SUPERUSER, database, sql)

    async def _finish(self, step: str, process: Process) -> None:
        """Wait for a command or function to end; anything but success fails the preparation."""
        try:
            async with asyncio.timeout(STEP_SECONDS_MAX):
                end = await process.wait()
        except TimeoutError:
            await process.kill()
            self._fail(step, f"has not ended within {STEP_SECONDS_MAX:g} s", process.log)
        if not end.clean:
            self._fail(step, str(end), process.log)

    def _fail(self, step: str, ending: str, log: Path) -> NoReturn:
        raise PreparationFailed(self.place.name, step, ending, logs.tail(log, LINES_SHOWN))

    def _initdb_switches(self) -> tuple[str, ...]:
        size = SEGMENT_MEGABYTES_DURABLE if self.place.durable else SEGMENT_MEGABYTES
        return (*INITDB_SWITCHES, f"--username={SUPERUSER}", f"--wal-segsize={size}")


def server(data: Path, directory: Path, settings: Mapping[str, str]) -> tuple[str, ...]:
    """Command of a server that listens only on a Unix socket in `directory`."""
    fixed = {
        "listen_addresses": "",
        "unix_socket_directories": str(directory),
        "dynamic_shared_memory_type": "mmap",
    }
    switches = [f"--{name}={value}" for name, value in {**settings, **fixed}.items()]
    return unprivileged.command(
        (str(binaries.locate(binaries.POSTGRES)), "-D", str(data), *switches)
    )


def socket(directory: Path) -> Path:
    """Unix socket of the server whose socket directory this is."""
    return directory / ".s.PGSQL.5432"


def url(directory: Path, database: str) -> str:
    """URL in the form of libpq and psycopg."""
    return f"postgresql://{SUPERUSER}@/{database}?host={directory}"
