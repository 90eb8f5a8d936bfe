"""Connections that stay watched between statements, on both event loops: who closes the socket, and who does not wait for it."""

import asyncio
import select
import socket
import struct
from pathlib import Path

import psycopg
import pytest
import uvloop

from quarterdeck.infra.postgres_watch import Connection
from shakeout.waiting.until import until

LARGE_BYTES = 32 * 2**20
"""More than a socket takes at once."""


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def on_loop(request):
    """Run a coroutine function on a loop of its own, in a thread."""

    def run(work, *args):
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(work(*args))

    async def on(work, *args):
        async with asyncio.timeout(20):
            return await asyncio.to_thread(run, work, *args)

    return on


def connect(address):
    return Connection.connect(address, autocommit=True)


def watched(descriptor):
    """Tell whether an epoll of this process has a descriptor."""
    for file in Path("/proc/self/fdinfo").iterdir():
        try:
            lines = file.read_text().splitlines()
        except OSError:
            continue
        if any(line.startswith("tfd:") and int(line.split()[1]) == descriptor for line in lines):
            return True
    return False


async def one(connection, sql, *parameters):
    row = await (await connection.execute(sql, parameters)).fetchone()
    return row[0]


async def ended_by(other, connection):
    await other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))


async def runs(other, connection):
    sql = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND state = 'active'"
    return await one(other, sql, connection.info.backend_pid)


async def failure(connection, sql):
    with pytest.raises(psycopg.OperationalError) as told:
        await connection.execute(sql)
    return told.value


def pair_with(descriptor):
    """Make two sockets, of which the first has this number, which is free."""
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    return sorted(ends, key=lambda end: end.fileno() != descriptor)


async def heard(ends, meanwhile=None):
    """Return what comes at one end of a pair while something is done."""
    end, other = ends
    with end, other:
        async with asyncio.TaskGroup() as group:
            coming = group.create_task(asyncio.get_running_loop().sock_recv(end, 1))
            await until(lambda: watched(end.fileno()), within=5)
            if meanwhile is not None:
                await meanwhile()
            other.send(b"x")
        return coming.result()


async def test_the_watch_outlasts_statements_and_ends_with_the_connection(cluster, on_loop):
    """Nothing is asked of the operating system between two statements. Look at what is watched after one, and after the end."""

    async def work():
        async with await connect(cluster.address("postgres")) as connection:
            descriptor = connection.fileno()
            before = watched(descriptor)
            return before, [
                (await one(connection, "SELECT %s + 1", n), watched(descriptor)) for n in range(3)
            ]

    assert await on_loop(work) == (False, [(1, True), (2, True), (3, True)])


async def test_a_descriptor_that_is_used_again_is_somebody_elses(cluster, on_loop):
    """A loop must not take a new socket for the old one. Close a connection, wait on a socket that gets its number."""

    async def work():
        async with await connect(cluster.address("postgres")) as connection:
            descriptor = connection.fileno()
            await one(connection, "SELECT 1")
        return await heard(pair_with(descriptor))

    assert await on_loop(work) == b"x"


async def test_an_end_that_nobody_waits_for_ends_the_watch(cluster, on_loop):
    """What is readable and not read would wake the loop for ever. End the server's side; the next statement says so."""

    async def work():
        address = cluster.address("postgres")
        async with await connect(address) as other:
            connection = await connect(address)
            await one(connection, "SELECT 1")
            descriptor = connection.fileno()
            await ended_by(other, connection)
            await until(lambda: not watched(descriptor), within=5)
            with pytest.raises(psycopg.OperationalError):
                await one(connection, "SELECT 2")
            await connection.close()

    await on_loop(work)


async def test_an_end_in_the_middle_of_a_statement_is_told(cluster, on_loop):
    """The driver closes the socket then, and whoever gets its number keeps it. End the server's side of a statement that takes long; close the connection while another socket of that number is waited on."""

    async def work():
        address = cluster.address("postgres")
        async with await connect(address) as other:
            connection = await connect(address)
            descriptor = connection.fileno()
            async with asyncio.TaskGroup() as group:
                slow = group.create_task(failure(connection, "SELECT pg_sleep(60)"))
                await until(lambda: runs(other, connection), within=5)
                await ended_by(other, connection)
            return type(slow.result()), await heard(pair_with(descriptor), connection.close)

    assert await on_loop(work) == (psycopg.errors.AdminShutdown, b"x")


async def test_a_statement_that_is_cancelled_ends_on_the_server(cluster, on_loop):
    """Its connection can be used again. Cancel one that takes long; look at what the server runs, ask something else."""

    async def work():
        address = cluster.address("postgres")
        async with await connect(address) as other, await connect(address) as connection:
            async with asyncio.TaskGroup() as group:
                slow = group.create_task(connection.execute("SELECT pg_sleep(60)"))
                await until(lambda: runs(other, connection), within=5)
                slow.cancel()
            return await runs(other, connection), await one(connection, "SELECT 7")

    assert await on_loop(work) == (0, 7)


async def test_a_statement_larger_than_a_socket_arrives(cluster, on_loop):
    """Then it waits to write, too. Send 32 MiB, and something small after it."""

    async def work():
        async with await connect(cluster.address("postgres")) as connection:
            size = await one(connection, "SELECT length(%s::text)", "x" * LARGE_BYTES)
            return size, await one(connection, "SELECT 7"), watched(connection.fileno())

    assert await on_loop(work) == (LARGE_BYTES, 7, True)


def message(kind, content):
    return kind + struct.pack("!i", 4 + len(content)) + content


WELCOME = (
    message(b"R", struct.pack("!i", 0))
    + message(b"S", b"client_encoding\x00UTF8\x00")
    + message(b"Z", b"I")
)
GOODBYE = message(b"E", b"SFATAL\x00VFATAL\x00C57P01\x00Mterminating connection\x00\x00")


def leave(listener):
    """Do to a connection what PostgreSQL does to one that it ends as a statement arrives: say so, and read no more."""
    end, _ = listener.accept()
    with end:
        end.recv(1000)
        end.sendall(WELCOME)
        select.select([end], [], [], 5)
        end.sendall(GOODBYE)


async def test_an_end_that_comes_as_a_reset_is_told(tmp_path, on_loop):
    """uvloop tells of it once and then watches no more: who had to wait twice waited for ever. Have a server say good-bye without reading the statement."""

    async def work():
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / ".s.PGSQL.5432"))
            listener.listen()
            async with asyncio.TaskGroup() as group, asyncio.timeout(5):
                group.create_task(asyncio.to_thread(leave, listener))
                connection = await connect(f"postgresql://x@/x?host={tmp_path}")
                told = await failure(connection, "SELECT 1")
        await connection.close()
        return told.sqlstate

    assert await on_loop(work) == "57P01"
