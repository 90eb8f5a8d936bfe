"""Redis on a Unix socket; what it holds survives its restart and its death."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from shakeout.process.handle import Process
from shakeout.services import binaries, ending
from shakeout.services.errors import QueryFailed
from shakeout.system.host import Host
from shakeout.system.place import Place

STOP_SECONDS_MAX = 5.0
MARK = "shakeout:mark"
CLIENTS_SETTING_LINES = 5
REPLICAS_NEVER = 1
"""Writes need so many replicas, and there is none."""


@dataclass(frozen=True)
class Redis:
    """One Redis server."""

    name: str = "redis"
    _: KW_ONLY
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings as in redis.conf, over those of Shakeout."""
    optional: bool = False
    ports: tuple[str, ...] = ()
    disk: str = "data"

    def addresses(self, place: Place) -> Mapping[str, str]:
        """URL in the form of redis-py: `unix:///path`."""
        return {"": f"unix://{_socket(place)}"}

    async def launch(self, place: Place, host: Host) -> Process:
        """Start the server on its append-only file."""
        data = place.directory / self.disk
        place.outside(data).mkdir(exist_ok=True)
        settings = {
            "port": "0",
            "unixsocket": str(_socket(place)),
            "dir": str(data),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec" if place.durable else "no",
            "auto-aof-rewrite-percentage": "0",
            **self.settings,
        }
        switches = [word for name, value in settings.items() for word in (f"--{name}", value)]
        argv = (str(binaries.locate(binaries.REDIS)), *switches)
        return await host.execute(place, argv)

    async def probe(self, place: Place) -> str:
        """Ask PING."""
        try:
            answer = await _ask(_socket(place), b"PING\r\n")
        except OSError as refusal:
            return str(refusal)
        return "" if answer == b"+PONG\r\n" else f"PING answered {answer!r}"

    async def stop(self, process: Process, *, gracefully: bool) -> None:
        """SIGTERM, which flushes the file, or SIGKILL."""
        if gracefully:
            await ending.stop(process, signal.SIGTERM, STOP_SECONDS_MAX)
        else:
            await process.kill()

    async def put_mark(self, place: Place) -> None:
        """SET a key. Raises QueryFailed."""
        await _done(place, f"SET {MARK} 1")

    async def has_mark(self, place: Place) -> bool:
        """Ask EXISTS."""
        return await _told(place, f"EXISTS {MARK}") == ":1"

    async def flush(self, place: Place) -> None:
        """FLUSHALL. Raises QueryFailed."""
        await _done(place, "FLUSHALL")

    async def refuse_writes(self, place: Place) -> None:
        """Demand a replica that it does not have. Raises QueryFailed."""
        await _done(place, f"CONFIG SET min-replicas-to-write {REPLICAS_NEVER}")

    async def accept_writes(self, place: Place) -> None:
        """Demand none. Raises QueryFailed."""
        await _done(place, "CONFIG SET min-replicas-to-write 0")

    async def refusal(self, place: Place) -> str:
        """SET a key that expires at once."""
        answer = await _told(place, f"SET {MARK} 1 PX 1")
        return "" if answer == "+OK" else answer

    @contextlib.asynccontextmanager
    async def exhausted(self, place: Place) -> AsyncIterator[None]:
        """Serve one client only, and be that one. Raises QueryFailed."""
        reader, writer = await asyncio.open_unix_connection(str(_socket(place)))
        try:
            writer.write(b"CONFIG GET maxclients\r\n")
            setting = [await reader.readline() for _ in range(CLIENTS_SETTING_LINES)]
            before = int(setting[-1])
            await _set_clients_max(reader, writer, 1)
            try:
                yield
            finally:
                with contextlib.suppress(ConnectionError):  # a new server has the old limit
                    await _set_clients_max(reader, writer, before)
        finally:
            writer.close()


def _socket(place: Place) -> Path:
    return place.directory / "redis.sock"


async def _ask(socket: Path, command: bytes) -> bytes:
    """One line for one inline command. Raises OSError without a server."""
    reader, writer = await asyncio.open_unix_connection(str(socket))
    try:
        writer.write(command)
        return await reader.readline()
    finally:
        writer.close()


async def _told(place: Place, command: str) -> str:
    return (await _ask(_socket(place), f"{command}\r\n".encode())).decode().strip()


async def _done(place: Place, command: str) -> None:
    """Raises QueryFailed unless the answer is OK."""
    answer = await _told(place, command)
    if answer != "+OK":
        raise QueryFailed(f"{command} answered {answer!r}")


async def _set_clients_max(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int
) -> None:
    writer.write(f"CONFIG SET maxclients {count}\r\n".encode())
    answer = await reader.readline()
    if not answer:
        raise ConnectionResetError("Redis closed the connection")
    if answer != b"+OK\r\n":
        raise QueryFailed(f"maxclients {count}: {answer!r}")
