"""A client that costs next to nothing: one prepared request over and over on kept connections, for rates of a server and not of the SDK."""

import asyncio
import contextlib
import time
from urllib.parse import urlsplit

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"


async def rate(url: str, head: bytes, *, connections: int, seconds: float) -> float:
    """Answers a second of `connections` that each ask again once they have an answer. Raises `BadAnswer`."""
    parts = urlsplit(url)
    done = [0] * connections
    until = time.perf_counter() + seconds

    async def ask(number: int) -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        with contextlib.closing(writer):
            while time.perf_counter() < until:
                writer.write(head)
                await read_answer(reader)
                done[number] += 1

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(connections):
            group.create_task(ask(number))
    return sum(done) / (time.perf_counter() - began)


class BadAnswer(Exception):
    """An answer that is not status 200."""


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    """Read one answer with a Content-Length; return its body. Raises `BadAnswer`."""
    head = await reader.readuntil(HEAD_END)
    if not head.startswith(b"HTTP/1.1 200"):
        raise BadAnswer(head.decode("latin-1"))
    found = head.lower()
    at = found.index(LENGTH) + len(LENGTH)
    return await reader.readexactly(int(found[at : found.index(b"\r\n", at)]))


def get(url: str, headers: dict[str, str]) -> bytes:
    """The head of a GET."""
    parts = urlsplit(url)
    lines = [f"GET {parts.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in {"Host": parts.netloc, **headers}.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
