"""PostgreSQL on a Unix socket, from a prepared data directory that is kept between runs.

`postgres_data` prepares the directory, `template` keeps it, `unprivileged` lets root run the server.
"""

import asyncio
import contextlib
import dataclasses
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from shakeout.process import procfs
from shakeout.process.handle import Process
from shakeout.services import ending, postgres_data, postgres_wire, template, unprivileged
from shakeout.services.errors import QueryFailed
from shakeout.services.postgres_data import SUPERUSER, Database, server
from shakeout.system import readiness
from shakeout.system.host import Host
from shakeout.system.place import Place

COMMON = {
    "max_connections": "200",
    "shared_buffers": "64MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
FAST = {  # commits still reach the kernel, so they survive the death of the server
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_init_zero": "off",
    "max_logical_replication_workers": "0",
    "io_method": "sync",
}
SAFE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}

PREPARED = "prepared"
VERSION_FILE = "PG_VERSION"
STOP_SECONDS_MAX = 10.0
QUIT_SECONDS_MAX = 2.0
CHILDREN_SECONDS_MAX = 5.0
SESSIONS_MAX = 10_000
"""How many connections it is filled with at most."""
FULL = ("too many clients", "remaining connection slots")
CUT_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


@dataclass(frozen=True)
class Postgres:
    """One PostgreSQL server with prepared databases."""

    name: str = "postgres"
    _: KW_ONLY
    databases: tuple[Database, ...] = (Database("postgres"),)
    """The first is what the service's plain address names."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings as in postgresql.conf, over those of Shakeout."""
    optional: bool = False
    ports: tuple[str, ...] = ()
    disk: str = "data"

    def addresses(self, place: Place) -> Mapping[str, str]:
        """psycopg URLs by database name; the first database also by the empty name."""
        urls = {one.name: postgres_data.url(place.directory, one.name) for one in self.databases}
        return {"": urls[self.databases[0].name], **urls}

    async def launch(self, place: Place, host: Host) -> Process:
        """Start the server; on its first start the data directory is copied or made."""
        data = place.directory / self.disk
        if not (place.outside(data) / VERSION_FILE).exists():
            await self._prepare(place, host)
            await asyncio.to_thread(unprivileged.hand_over, place.directory)
        argv = server(data, place.directory, self._settings(durable=place.durable))
        return await host.execute(place, argv)

    async def probe(self, place: Place) -> str:
        """Ask `SELECT 1`."""
        try:
            await postgres_wire.query(
                postgres_data.socket(place.directory),
                SUPERUSER,
                self.databases[0].name,
                "SELECT 1",
            )
        except (QueryFailed, OSError) as refusal:
            return str(refusal)
        return ""

    async def stop(self, process: Process, *, gracefully: bool) -> None:
        """Shut down with a checkpoint, or drop everything at once; sessions are cut either way."""
        if gracefully:
            await ending.stop(process, signal.SIGINT, STOP_SECONDS_MAX)
        else:
            await ending.stop(process, signal.SIGQUIT, QUIT_SECONDS_MAX)

    async def kill(self, process: Process) -> None:
        """SIGKILL the postmaster; its backends notice and end, which the next start needs."""
        children = [one.pid for one in procfs.descendants(process.pid)]
        await process.kill()

        async def left() -> str:  # noqa: RUF029 (a probe)
            return ", ".join(str(pid) for pid in children if _alive(pid))

        await readiness.missing(left, CHILDREN_SECONDS_MAX)

    async def refuse_writes(self, place: Place) -> None:
        """Make transactions read-only and cut all sessions, as a fail-over to a replica does. Raises QueryFailed."""
        await self._each(
            place,
            "ALTER SYSTEM SET default_transaction_read_only = on",
            "SELECT pg_reload_conf()",
            CUT_OTHERS,
        )

    async def accept_writes(self, place: Place) -> None:
        """Let transactions write again, those of open sessions too. Raises QueryFailed."""
        await self._each(
            place,
            "ALTER SYSTEM RESET default_transaction_read_only",
            "SELECT pg_reload_conf()",
        )

    async def refusal(self, place: Place) -> str:
        """Make a table and drop it."""
        try:
            await self._each(place, "CREATE TABLE shakeout_write (); DROP TABLE shakeout_write")
        except QueryFailed as refusal:
            return str(refusal)
        return ""

    @contextlib.asynccontextmanager
    async def exhausted(self, place: Place) -> AsyncIterator[None]:
        """Open sessions until it takes no more, and hold them."""
        with contextlib.ExitStack() as held:
            try:
                for _ in range(SESSIONS_MAX):
                    held.callback((await self._session(place)).close)
            except QueryFailed as refusal:
                if not any(words in str(refusal) for words in FULL):
                    raise
            yield

    async def _session(self, place: Place) -> postgres_wire.Session:
        return await postgres_wire.Session.open(
            postgres_data.socket(place.directory), SUPERUSER, self.databases[0].name
        )

    async def _each(self, place: Place, *commands: str) -> None:
        """Run commands one after the other, each in a transaction of its own. Raises QueryFailed."""
        session = await self._session(place)
        try:
            for command in commands:
                await session.query(command)
        finally:
            session.close()

    async def _prepare(self, place: Place, host: Host) -> None:
        """Provide the data directory; one that is a disk is filled from another, since it cannot be made."""
        ordinary = dataclasses.replace(place, namespaces=0)
        recipe = postgres_data.Recipe(self.databases, ordinary, host)
        data = place.directory / (PREPARED if place.namespaces else self.disk)
        await template.provide(host.settings.cache / "postgres", recipe.key(), data, recipe.build)
        if place.namespaces:
            await asyncio.to_thread(_move, data, place.outside(place.directory / self.disk))

    def _settings(self, *, durable: bool) -> Mapping[str, str]:
        return {**(SAFE if durable else FAST), **COMMON, **self.settings}


def _alive(pid: int) -> bool:
    found = procfs.stat(pid)
    return found is not None and found.alive


def _move(source: Path, target: Path) -> None:
    """Move what is in one directory to another, which is on another disk."""
    for one in source.iterdir():
        shutil.move(one, target / one.name)
