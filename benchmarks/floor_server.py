"""The throw-away system behind `floor`: `python -m benchmarks.floor_server CONNINFO` prints its port, and serves until its input ends.

`POST /` with code begins a kernel and runs the code, `POST /N` runs code in one, `DELETE /N` ends it. Rows are committed, kernels have namespaces; nobody
is asked who they are, nothing is remembered, counted or cleaned up.
"""

import array
import asyncio
import contextlib
import io
import itertools
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from typing import cast

import psycopg
import uvloop

from quarterdeck.agent.kernels import linux

CONNECTIONS = 8
SCHEMA = "CREATE TABLE IF NOT EXISTS floor (id int PRIMARY KEY, status text NOT NULL, output text)"
BEGIN = "INSERT INTO floor VALUES (%s, 'RUNNING')"
TELL = "UPDATE floor SET output = %s WHERE id = %s"
END = "UPDATE floor SET status = 'TERMINATED' WHERE id = %s"
APART = (
    linux.CLONE_NEWNS
    | linux.CLONE_NEWNET
    | linux.CLONE_NEWIPC
    | linux.CLONE_NEWUTS
    | linux.CLONE_NEWCGROUP
)
SPAWN, KILL = 1, 2
ORDER = struct.Struct("ii")
BYTES_MAX = 65536

Connections = asyncio.Queue[psycopg.AsyncConnection]


class ForkServer:
    """Forks kernels; a message is an order and a kernel's number, and the answer to the order to kill one is its number."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY)
        self._kernels: dict[int, int] = {}
        self._wake, wake = os.pipe2(os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake)

    def serve(self) -> None:
        """Serve until the other end is closed."""
        poll = select.poll()
        poll.register(self._link, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self._wake in ready:
                os.read(self._wake, BYTES_MAX)
                self._reap()
            if self._link.fileno() in ready and not self._obey():
                return

    def _obey(self) -> bool:
        said, given, _, _ = socket.recv_fds(self._link, ORDER.size, 1)
        if not said:
            return False
        order, number = ORDER.unpack(said)
        if order == SPAWN:
            self._kernels[self._fork(given[0])] = number
            os.close(given[0])
        else:
            [pid] = [pid for pid, each in self._kernels.items() if each == number]
            os.kill(pid, signal.SIGKILL)
        return True

    def _fork(self, channel: int) -> int:
        linux.unshare(linux.CLONE_NEWPID)
        pid = os.fork()
        if pid == 0:
            be_kernel(socket.socket(fileno=channel))
        linux.setns(self._own_pids, linux.CLONE_NEWPID)
        return pid

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                self._link.send(ORDER.pack(KILL, self._kernels.pop(pid)))


def be_kernel(channel: socket.socket) -> None:
    """Run code that comes, one piece after the other, until killed."""
    linux.unshare(APART)
    names: dict[str, object] = {}
    while code := channel.recv(BYTES_MAX):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(code, names)
        channel.send(said.getvalue().encode() or b" ")
    os._exit(0)


class Server:
    """What manager and agent are, at their least."""

    def __init__(self, forks: socket.socket, database: Connections) -> None:
        self._forks = forks
        self._database = database
        self._numbers = itertools.count(1)
        self._channels: dict[int, socket.socket] = {}
        self._ends: dict[int, asyncio.Future[None]] = {}
        asyncio.get_running_loop().add_reader(forks, self._hear)

    async def answer(self, method: str, path: str, body: bytes) -> bytes:
        """Do what a request asks for."""
        if method == "DELETE":
            return await self._end(int(path[1:]))
        if path != "/":
            return await self._run(self._channels[int(path[1:])], body)
        number = next(self._numbers)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self._channels[number] = ours
        right = array.array("i", [theirs.fileno()])
        self._forks.sendmsg(
            [ORDER.pack(SPAWN, number)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, right)]
        )
        theirs.close()
        await commit(self._database, BEGIN, number)
        output = await self._run(ours, body)
        await commit(self._database, TELL, output.decode(), number)
        return b"%d %b" % (number, output)

    async def _run(self, channel: socket.socket, code: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        said = loop.create_future()
        loop.add_reader(channel, said.set_result, None)
        channel.send(code)
        await said
        loop.remove_reader(channel)
        return channel.recv(BYTES_MAX)

    async def _end(self, number: int) -> bytes:
        self._ends[number] = asyncio.get_running_loop().create_future()
        self._forks.send(ORDER.pack(KILL, number))
        await self._ends[number]
        self._channels.pop(number).close()
        await commit(self._database, END, number)
        return b""

    def _hear(self) -> None:
        _, number = ORDER.unpack(self._forks.recv(ORDER.size))
        self._ends.pop(number).set_result(None)


class Connection(asyncio.Protocol):
    """Just enough HTTP: whole requests, one after the other."""

    _transport: asyncio.Transport

    def __init__(self, answer: Callable[[str, str, bytes], Awaitable[bytes]]) -> None:
        self._answer = answer
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer a request once it is whole."""
        self._read += data
        head, found, body = self._read.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        if len(body) < length:
            return
        self._read = b""
        method, path, _ = head.split(b" ", 2)
        self._task = asyncio.ensure_future(self._reply(method.decode(), path.decode(), body))

    async def _reply(self, method: str, path: str, body: bytes) -> None:
        answer = await self._answer(method, path, body)
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer)
        )


async def commit(database: Connections, statement: str, *values: object) -> None:
    """Execute a statement, which is a transaction."""
    connection = await database.get()
    await connection.execute(statement, values)
    database.put_nowait(connection)


async def main(forks: socket.socket, conninfo: str) -> None:
    """Serve until the input ends."""
    database: Connections = asyncio.LifoQueue()
    for _ in range(CONNECTIONS):
        database.put_nowait(await psycopg.AsyncConnection.connect(conninfo, autocommit=True))
    await commit(database, SCHEMA)
    server = Server(forks, database)
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Connection(server.answer), "127.0.0.1", 0)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def fork_server() -> socket.socket:
    """Start the fork server; return the socket to it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        ours.close()
        ForkServer(theirs).serve()
        os._exit(0)
    theirs.close()
    ours.setblocking(False)  # noqa: FBT003 - the standard library's signature
    return ours


if __name__ == "__main__":
    uvloop.run(main(fork_server(), sys.argv[1]))
