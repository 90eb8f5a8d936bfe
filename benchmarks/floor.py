"""The floor of the sessions' figures, on the machine that they are taken on: a throw-away system that does only what cannot be left out.

A bare HTTP server commits rows to the same PostgreSQL, and has a small fork server fork processes with namespaces of their own: see `floor_server`.
"""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from benchmarks import load


@dataclass(frozen=True)
class Floor:
    """The running system; measure it from the same process and in turn with ours."""

    port: int

    async def first_outputs(self, count: int) -> list[float]:
        """Milliseconds from the request for a kernel to its first output, one after the other."""
        async with self._client() as client:
            return [1000 * await client.first_output() for _ in range(count)]

    async def executions(self, count: int) -> list[float]:
        """Milliseconds of `1+1` in a kernel that has run before."""
        async with self._client() as client:
            number = await client.create()
            found = []
            for _ in range(count):
                began = time.perf_counter()
                await client.ask("POST", f"/{number}", b"1+1")
                found.append(1000 * (time.perf_counter() - began))
            await client.ask("DELETE", f"/{number}")
            return found

    async def rate(self, clients: int, seconds: float) -> float:
        """Kernels a second that came, said something and went."""
        done, until = 0, time.perf_counter() + seconds

        async def visit() -> None:
            nonlocal done
            async with self._client() as client:
                while time.perf_counter() < until:
                    await client.first_output()
                    done += 1

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(visit())
        return done / (time.perf_counter() - began)

    @contextlib.asynccontextmanager
    async def _client(self) -> AsyncIterator["Client"]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        with contextlib.closing(writer):
            yield Client(reader, writer)


@dataclass(frozen=True)
class Client:
    """A connection to the floor."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def first_output(self) -> float:
        """Seconds from the request for a kernel to its first output; it is ended afterwards."""
        began = time.perf_counter()
        number = await self.create()
        seconds = time.perf_counter() - began
        await self.ask("DELETE", f"/{number}")
        return seconds

    async def create(self) -> int:
        """Begin a kernel that says 2; return its number."""
        number, said = (await self.ask("POST", "/", b"print(1+1)")).split()
        assert said == b"2"
        return int(number)

    async def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Send a request; return the body of its answer."""
        head = f"{method} {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)
        return await load.read_answer(self.reader)


@contextlib.contextmanager
def running(conninfo: str) -> Iterator[Floor]:
    """The floor on a database, for the time of a block."""
    words = (sys.executable, "-m", "benchmarks.floor_server", conninfo)
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        yield Floor(int(server.stdout.readline()))
        server.communicate()
