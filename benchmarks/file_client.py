"""A bare client for measuring transfers: no library between the clock and the socket, the same for ours and for every peer."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Mapping

BLOCK_BYTES = 1 << 20
_HEAD_END = b"\r\n\r\n"


class Refused(Exception):
    """The server said no."""


def get(port: int, target: str, headers: Mapping[str, str]) -> int:
    """Receive a body over a connection of its own, keep nothing, and return its size."""
    with connected(port) as there:
        there.sendall(_head("GET", target, headers, None))
        received, length = _answer(there)
        buffer = bytearray(BLOCK_BYTES)
        while received < length:
            count = there.recv_into(buffer)
            if not count:
                raise Refused("it hung up")
            received += count
        return received


def exchange(
    there: socket.socket,
    what: tuple[str, str],
    headers: Mapping[str, str],
    content: memoryview,
) -> None:
    """Send a request, method and target, with a body over an open connection; read the answer, of which only the status matters."""
    method, target = what
    there.sendall(_head(method, target, headers, len(content)))
    for at in range(0, len(content), BLOCK_BYTES):
        there.sendall(content[at : at + BLOCK_BYTES])
    received, length = _answer(there)
    while received < length:
        received += len(there.recv(BLOCK_BYTES))


@contextlib.contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    """Own a connection."""
    with socket.create_connection(("127.0.0.1", port)) as there:
        there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield there


async def many(
    port: int, requests: list[tuple[str, str, Mapping[str, str], bytes]], clients: int
) -> None:
    """Send small requests over so many kept connections at once."""
    left = iter(requests)

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for method, target, headers, body in left:
                length = len(body) if method == "PUT" else None
                writer.write(_head(method, target, headers, length) + body)
                status, size = _read_head(await reader.readuntil(_HEAD_END))
                await reader.readexactly(size)
                if status >= 400:
                    raise Refused(f"{method} {target}: {status}")
        finally:
            writer.close()
            await writer.wait_closed()

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(one())


def _head(method: str, target: str, headers: Mapping[str, str], length: int | None) -> bytes:
    sent = {"Host": "127.0.0.1", **headers}
    if length is not None:
        sent["Content-Length"] = str(length)
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def _answer(there: socket.socket) -> tuple[int, int]:
    """Return how much of the body has come with the head, and how long it is."""
    data = b""
    while _HEAD_END not in data:
        if not (more := there.recv(BLOCK_BYTES)):
            raise Refused("it hung up")
        data += more
    head, _, rest = data.partition(_HEAD_END)
    status, length = _read_head(head)
    if status >= 400:
        raise Refused(f"status {status}: {rest[:200]!r}")
    return len(rest), length


def _read_head(head: bytes) -> tuple[int, int]:
    lines = head.decode("latin-1").split("\r\n")
    lengths = [
        line.partition(":")[2] for line in lines if line.lower().startswith("content-length:")
    ]
    return int(lines[0].split()[1]), int(lengths[0]) if lengths else 0
