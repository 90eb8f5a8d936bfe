"""A blocking connection for `transport`, framed by `quarterdeck.base.http1`. Whatever breaks is an OSError."""

import contextlib
import select
import socket
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from quarterdeck.base import http1

READ_BYTES = 256 * 1024


class Connection:
    """A connection to one server, used for one exchange after the other."""

    def __init__(self, url: str, seconds: float) -> None:
        """Connect to the authority of a URL within some seconds; https is verified. Raises OSError."""
        parts = urlsplit(url)
        host, tls = parts.hostname or "", parts.scheme == "https"
        # bytes, because a host given as text costs the import of the IDNA tables
        address: Any = (
            host.encode("ascii") if host.isascii() else host,
            parts.port or (443 if tls else 80),
        )
        self._socket = socket.create_connection(address, timeout=seconds)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls:
                self._socket = _secured(self._socket, host)
        except BaseException:
            self._socket.close()
            raise

    @property
    def is_over(self) -> bool:
        """Whether nothing more can be asked over it: between two exchanges the other side has only one thing to say."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def break_off(self) -> None:
        """Let whoever sends or waits for an answer, in another thread, find the connection broken."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes],
        *,
        seconds: float,
    ) -> "Response":
        """Send a request and return the answer with its body still to be read. `seconds` bounds each wait. Raises OSError.

        A body in blocks needs a Content-Length in the headers; its first block goes with the head: a small file comes as a whole.
        An answer that comes before all is sent is an answer.
        """
        self._socket.settimeout(seconds)
        length = len(body) if isinstance(body, bytes) else 0
        blocks = iter((body,) if isinstance(body, bytes) else body)
        head = http1.request_head(method, target, headers, length)
        try:
            self._socket.sendall(head + next(blocks, b""))
            for block in blocks:
                self._socket.sendall(block)
        except (BrokenPipeError, ConnectionResetError) as error:
            try:
                return Response(self._socket, method)
            except OSError:
                raise error from None
        return Response(self._socket, method)


class Response:
    """An answer: `status`, `headers` (names in lower case), and a body to `read` to its end before the next request."""

    def __init__(self, connected: socket.socket, method: str) -> None:
        """Read the head. Raises OSError."""
        self._socket = connected
        self._answer = http1.Answer(method)
        while not self._answer.begun:
            self._receive()
        self.status = self._answer.status
        self.headers = self._answer.headers

    @property
    def reusable(self) -> bool:
        """Whether the body was read to its end and the connection can be used again."""
        return self._answer.complete and self._answer.reusable

    def patience(self, seconds: float) -> None:
        """Bound each wait for more of the body."""
        self._socket.settimeout(seconds)

    def blocks(self) -> Iterable[bytes]:
        """Give the body as it comes. Raises OSError."""
        while True:
            if data := self._answer.take():
                yield data
            if self._answer.complete:
                break
            self._receive()

    def read(self) -> bytes:
        """Return the whole body. Raises OSError."""
        return b"".join(self.blocks())

    def _receive(self) -> None:
        data = self._socket.recv(READ_BYTES)
        if data:
            self._answer.feed(data)
        else:
            self._answer.feed_end()


def _secured(plain: socket.socket, host: str) -> socket.socket:
    import ssl  # noqa: PLC0415 - only https may wait for it

    return ssl.create_default_context().wrap_socket(plain, server_hostname=host)
