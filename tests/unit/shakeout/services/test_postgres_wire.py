"""The hand-made PostgreSQL client against a server played by the test."""

import asyncio
import contextlib
import struct

import pytest

from shakeout.services import postgres_wire
from shakeout.services.errors import QueryFailed

READY = b"Z\0\0\0\5I"


def message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


def row(*values):
    cells = [struct.pack("!i", -1) if v is None else struct.pack("!i", len(v)) + v for v in values]
    return message(b"D", struct.pack("!h", len(values)) + b"".join(cells))


@contextlib.asynccontextmanager
async def server(socket, *answers):
    """Answers one message with each of `answers`, then closes."""

    async def play(reader, writer):
        for answer in answers:
            await reader.read(1000)
            writer.write(answer)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_unix_server(play, socket):
        yield


async def test_rows_are_text_or_none(tmp_path):
    socket = tmp_path / "s"
    async with server(socket, message(b"R", b"\0\0\0\0") + READY, row(b"1", None, b"") + READY):
        assert await postgres_wire.query(socket, "u", "d", "SELECT") == [("1", None, "")]


async def test_an_error_is_told_in_the_servers_words(tmp_path):
    refusal = message(b"E", b"SFATAL\0C57P03\0Mthe database system is starting up\0\0")
    async with server(tmp_path / "s", refusal):
        with pytest.raises(QueryFailed, match="FATAL: the database system is starting up"):
            await postgres_wire.query(tmp_path / "s", "u", "d", "SELECT")


async def test_a_server_that_hangs_up_is_a_connection_error(tmp_path):
    async with server(tmp_path / "s", b"R\0\0"):
        with pytest.raises(ConnectionResetError):
            await postgres_wire.query(tmp_path / "s", "u", "d", "SELECT")


async def test_another_protocol_is_recognised(tmp_path):
    async with server(tmp_path / "s", b"-ERR unknown command\r\n"):
        with pytest.raises(QueryFailed, match="does not speak PostgreSQL's protocol"):
            await postgres_wire.query(tmp_path / "s", "u", "d", "SELECT")


async def test_no_server_is_a_connection_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        await postgres_wire.query(tmp_path / "s", "u", "d", "SELECT")


async def test_a_session_whose_answer_was_not_read_to_the_end_answers_nothing_more(tmp_path):
    """No question gets the answer to the one before. Give up waiting for an answer that comes late, and ask again."""
    late = row(b"old") + READY + row(b"new") + READY
    async with server(tmp_path / "s", READY, b"", late):
        session = await postgres_wire.Session.open(tmp_path / "s", "u", "d")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await session.query("SELECT old")
        with pytest.raises(ConnectionResetError):
            await session.query("SELECT new")
