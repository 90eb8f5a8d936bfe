"""Probe for keys in Redis, over its protocol: a client library takes longer to import than a test."""

import asyncio
import zlib
from dataclasses import dataclass
from pathlib import Path

from shakeout.checks.leaks import Things

DATABASES = b"CONFIG GET databases"
KEY_LENGTH_MAX = 200


class RedisRefused(Exception):
    """Redis answered with an error."""


@dataclass(frozen=True)
class Keys:
    """All keys of all databases."""

    name: str
    socket: Path

    async def snapshot(self) -> Things:
        reader, writer = await asyncio.open_unix_connection(str(self.socket))
        try:
            writer.write(b"INFO keyspace\r\n")
            used = databases(str(await read_reply(reader)))
            found: dict[str, str] = {}
            for number in used:
                writer.write(f"SELECT {number}\r\nKEYS *\r\n".encode())
                await read_reply(reader)
                keys = await read_reply(reader)
                if isinstance(keys, list):
                    found |= {label(number, str(key)): f"database {number}" for key in keys}
            return found
        finally:
            writer.close()


def databases(keyspace: str) -> list[int]:
    """Numbers of the databases that hold keys, from `INFO keyspace`. Pure."""
    lines = (line.partition(":")[0] for line in keyspace.splitlines())
    return [int(name[2:]) for name in lines if name.startswith("db") and name[2:].isdigit()]


def label(database: int, key: str) -> str:
    """A key as the table shows it; a long one by its beginning, and still different from its like. Pure."""
    told = key if database == 0 else f"{database}:{key}"
    if len(told) <= KEY_LENGTH_MAX:
        return told
    return f"{told[:KEY_LENGTH_MAX]}… {zlib.crc32(told.encode()):08x}"


Reply = str | int | list["Reply"] | None


async def read_reply(reader: asyncio.StreamReader) -> Reply:
    """Read one reply. Raises RedisRefused, ConnectionResetError."""
    line = await reader.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionResetError("Redis closed the connection")
    kind, rest = line[:1], line[1:-2]
    if kind == b"-":
        raise RedisRefused(rest.decode(errors="replace"))
    if kind == b":":
        return int(rest)
    if kind == b"$":
        length = int(rest)
        return (
            None
            if length < 0
            else (await reader.readexactly(length + 2))[:-2].decode(errors="replace")
        )
    if kind == b"*":
        return [await read_reply(reader) for _ in range(max(0, int(rest)))]
    return rest.decode(errors="replace")
