"""Redis on a Unix socket; what it holds survives its restart and its death."""

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from shakeout.process.handle import Process
from shakeout.services import binaries, ending
from shakeout.system.host import Host
from shakeout.system.place import Place

STOP_SECONDS_MAX = 5.0


@dataclass(frozen=True)
class Redis:
    """One Redis server."""

    name: str = "redis"
    _: KW_ONLY
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings as in redis.conf, over those of Shakeout."""
    optional: bool = False
    ports: tuple[str, ...] = ()

    def addresses(self, place: Place) -> Mapping[str, str]:
        """URL in the form of redis-py: `unix:///path`."""
        return {"": f"unix://{_socket(place)}"}

    async def launch(self, place: Place, host: Host) -> Process:
        """Start the server on its append-only file."""
        settings = {
            "port": "0",
            "unixsocket": str(_socket(place)),
            "dir": str(place.directory),
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
