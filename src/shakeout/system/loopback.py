"""One HTTP request to a loopback port, by hand: a client library would take longer to import."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Answer:
    """Status and body."""

    status: int
    body: bytes


async def request(
    port: int,
    method: str,
    path: str,
    *,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Ask once, in HTTP 1.0; waits in the listen backlog for as long as nobody accepts.

    Raises OSError when the connection fails or the answer is not HTTP.
    """
    lines = {"Host": f"{HOST}:{port}", "Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(f"{method} {path} HTTP/1.0\r\n{head}\r\n".encode() + body)
        return _parse(await reader.read())
    finally:
        writer.close()


def _parse(answer: bytes) -> Answer:
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise ConnectionResetError("closed without an answer" if not answer else "not HTTP")
    return Answer(int(words[1]), body)
