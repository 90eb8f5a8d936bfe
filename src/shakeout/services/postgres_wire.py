"""Just enough of PostgreSQL's protocol (3.0, simple query, trusted Unix socket) to ask one question.

Importing a real driver takes longer than the server takes to start.
"""

import asyncio
import struct
from pathlib import Path
from typing import Self

from shakeout.services.errors import QueryFailed

PROTOCOL = 196608
LENGTH = struct.Struct("!i")
COUNT = struct.Struct("!h")
MESSAGE_BYTES_MAX = 1 << 24

Row = tuple[str | None, ...]


class Session:
    """A session for repeated questions; close it. One whose answer was not read to the end is over."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, socket: Path, user: str, database: str) -> Self:
        """Connect. Raises QueryFailed with the server's words, OSError without a server."""
        reader, writer = await asyncio.open_unix_connection(str(socket))
        session = cls(reader, writer)
        try:
            writer.write(_startup(user, database))
            await _rows(reader)
        except BaseException:
            writer.close()
            raise
        return session

    async def query(self, sql: str) -> list[Row]:
        """Run one command. Raises QueryFailed, OSError when the session was cut."""
        if self._writer.is_closing():
            raise ConnectionResetError("the session is over")
        self._writer.write(_message(b"Q", _text(sql)))
        try:
            return await _rows(self._reader)
        except (
            BaseException
        ):  # the rest of the answer would be taken for that to the next question
            self._writer.close()
            raise

    def close(self) -> None:
        if not self._writer.is_closing():
            self._writer.write(_message(b"X", b""))
        self._writer.close()


async def query(socket: Path, user: str, database: str, sql: str) -> list[Row]:
    """Connect, run one command, disconnect; values are text.

    Raises QueryFailed with the server's words, OSError without a server.
    """
    session = await Session.open(socket, user, database)
    try:
        return await session.query(sql)
    finally:
        session.close()


async def _rows(reader: asyncio.StreamReader) -> list[Row]:
    """Collect rows until the server is ready for the next command."""
    rows: list[Row] = []
    while True:
        kind, body = await _read(reader)
        if kind == b"E":
            raise QueryFailed(_error(body))
        if kind == b"D":
            rows.append(_row(body))
        if kind == b"Z":
            return rows


async def _read(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    try:
        head = await reader.readexactly(1 + LENGTH.size)
        length = LENGTH.unpack(head[1:])[0] - LENGTH.size
        if not 0 <= length <= MESSAGE_BYTES_MAX:
            raise QueryFailed("the server does not speak PostgreSQL's protocol")
        return head[:1], await reader.readexactly(length)
    except asyncio.IncompleteReadError as ended:
        raise ConnectionResetError("the server closed the connection") from ended


def _startup(user: str, database: str) -> bytes:
    body = LENGTH.pack(PROTOCOL) + b"".join(map(_text, ("user", user, "database", database)))
    return LENGTH.pack(len(body) + 1 + LENGTH.size) + body + b"\0"


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + LENGTH.pack(len(body) + LENGTH.size) + body


def _text(value: str) -> bytes:
    return value.encode() + b"\0"


def _error(body: bytes) -> str:
    """`FATAL: the database system is starting up`."""
    fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
    return f"{fields.get(b'S', 'ERROR')}: {fields.get(b'M', 'unknown error')}"


def _row(body: bytes) -> Row:
    values: list[str | None] = []
    offset = COUNT.size
    for _ in range(COUNT.unpack_from(body)[0]):
        length = LENGTH.unpack_from(body, offset)[0]
        offset += LENGTH.size
        if length < 0:
            values.append(None)
            continue
        values.append(body[offset : offset + length].decode())
        offset += length
    return tuple(values)
