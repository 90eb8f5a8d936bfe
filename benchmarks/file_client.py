"""A bare client for measuring transfers: no library between the clock and the socket, the same for ours and for every peer."""

import asyncio
import contextlib
import selectors
import socket
from collections.abc import Iterable, Iterator, Mapping

BLOCK_BYTES = 1 << 20
_READ_BYTES = 1 << 16
_HEAD_END = b"\r\n\r\n"

Request = tuple[str, str, Mapping[str, str], bytes]
"""Method, target, headers and body."""


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


async def many(port: int, requests: Iterable[Request], clients: int) -> None:
    """Send small requests over so many kept connections at once, each when the answer to the one before is whole. Raises `Refused`."""
    await asyncio.to_thread(_many, port, iter(requests), clients)


def _many(port: int, left: Iterator[Request], clients: int) -> None:
    with contextlib.ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for _ in range(clients):
            there = stack.enter_context(connected(port))
            exchanges = _exchanges(there, left)
            if next(exchanges, False):
                selector.register(there, selectors.EVENT_READ, exchanges)
        while selector.get_map():
            ended = [key for key, _ in selector.select() if not next(key.data, False)]
            for key in ended:
                selector.unregister(key.fileobj)


def _exchanges(there: socket.socket, left: Iterator[Request]) -> Iterator[bool]:
    """Exchange requests for answers over one connection; step back wherever something has to come first."""
    for method, target, headers, body in left:
        length = len(body) if method == "PUT" else None
        there.sendall(_head(method, target, headers, length) + body)
        received = b""
        while not _is_whole(received):
            yield True
            received += _more(there)


def _is_whole(answer: bytes) -> bool:
    head, end, rest = answer.partition(_HEAD_END)
    if not end:
        return False
    status, length = _read_head(head)
    if status >= 400 or len(rest) > length:
        raise Refused(f"status {status}: {rest[:200]!r}")
    return len(rest) == length


def _more(there: socket.socket) -> bytes:
    if not (more := there.recv(_READ_BYTES)):
        raise Refused("it hung up")
    return more


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
        data += _more(there)
    head, _, rest = data.partition(_HEAD_END)
    status, length = _read_head(head)
    if status >= 400:
        raise Refused(f"status {status}: {rest[:200]!r}")
    return len(rest), length


def _read_head(head: bytes) -> tuple[int, int]:
    """Return status and length of an answer."""
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(head.split(b" ", 2)[1]), int(rest.partition(b"\r\n")[0]) if found else 0
