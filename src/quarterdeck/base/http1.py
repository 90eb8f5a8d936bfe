"""HTTP/1.1 as a client sees it, without input or output: the bytes of a request, and a parser that is fed an answer piece by piece.

For `http_pool` (asyncio) and for `quarterdeck.client.http1` (blocking). Importing http.client, with email and ssl, takes longer than
a whole command of `qd`, and aiohttp's client takes longer for one request than the component that answers it.
"""

from collections.abc import Mapping

HEAD_BYTES_MAX = 64 * 1024
_CHUNK_LINE_BYTES_MAX = 256
_NO_CONTENT = frozenset({204, 304})


class Broken(ConnectionError):
    """The answer is not HTTP, is too large, or ends early."""


def request_head(method: str, target: str, headers: Mapping[str, str], length: int) -> bytes:
    """Return the head of a request whose body has `length` bytes. Raises ValueError for a line break in a header.

    Without a body, Content-Length is only sent where the method expects one, or as the headers have it.
    """
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if length or (method in {"POST", "PUT"} and "Content-Length" not in headers):
        lines.append(f"Content-Length: {length}")
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
        raise ValueError("a line break in a header")
    return f"{text}\r\n\r\n".encode("latin-1")


class Answer:
    """The answer to one request: feed it what arrives, take what it has of the body. Raises `Broken`.

    `status` and `headers` (names in lower case) are there when `begun`; the body is whole when `complete`. Interim answers (1xx) are
    passed over.
    """

    def __init__(self, method: str) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.begun = False
        self.complete = False
        self._kept = False
        self._method = method
        self._buffer = b""
        self._body: list[bytes] = []
        self._left: int | None = 0
        self._chunked = False
        self._in_trailers = False

    @property
    def reusable(self) -> bool:
        """Whether the connection can be used again: the answer is complete, and nothing came after it."""
        return self.complete and self._kept and not self._buffer

    def feed(self, data: bytes) -> None:
        """Take in what has arrived."""
        self._buffer = self._buffer + data if self._buffer else data
        more = True
        while more:
            more = self._step()

    def feed_end(self) -> None:
        """Take in that the connection has ended."""
        if self.complete:
            return
        if not self.begun or self._left is not None:
            raise Broken(
                "the connection ended before the answer"
                if not self.begun
                else "the answer ended early"
            )
        self.complete = True

    def take(self) -> bytes:
        """Return what of the body has come since the last time."""
        if len(self._body) == 1:
            return self._body.pop()
        body, self._body = b"".join(self._body), []
        return body

    def _step(self) -> bool:
        """Go on by one part of the answer; tell whether there may be another."""
        if self.complete or not self._buffer:
            return False
        if not self.begun:
            return self._read_head()
        if self._chunked and self._left == 0:
            return self._read_chunk_line()
        return self._read_body()

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_BYTES_MAX:
                raise Broken("the answer has too long a head")
            if self._buffer and not b"HTTP/1.".startswith(self._buffer[:7]):
                raise Broken("the server does not speak HTTP/1.1")
            return False
        head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        self.status, self.headers = _parse_head(head)
        if self.status >= 200:
            self._begin_body()
        return True

    def _begin_body(self) -> None:
        self.begun = True
        headers = self.headers
        self._kept = headers.get("connection", "").lower() != "close"
        length = headers.get("content-length")
        if self._method == "HEAD" or self.status in _NO_CONTENT:
            self.complete = True
        elif "transfer-encoding" in headers:
            if headers["transfer-encoding"].lower() != "chunked":
                raise Broken("the answer is in an unknown transfer encoding")
            self._chunked = True
        elif length is not None:
            if not (length.isascii() and length.isdecimal()):
                raise Broken("the answer's length is no number")
            self._left = int(length)
            self.complete = self._left == 0
        else:
            self._left = None
            self._kept = False

    def _read_body(self) -> bool:
        data = self._buffer
        if self._left is None:
            self._buffer = b""
        else:
            data, self._buffer = data[: self._left], data[self._left :]
            self._left -= len(data)
            self.complete = self._left == 0 and not self._chunked
        if data:
            self._body.append(data)
        return self._chunked

    def _read_chunk_line(self) -> bool:
        """Read the line before a chunk, the line end after one, or a trailer."""
        line, end, rest = self._buffer.partition(b"\r\n")
        if not end:
            if len(self._buffer) > (
                HEAD_BYTES_MAX if self._in_trailers else _CHUNK_LINE_BYTES_MAX
            ):
                raise Broken("the answer's chunks are broken")
            return False
        self._buffer = rest
        if self._in_trailers:
            self.complete = not line
            return not self.complete
        if line:
            self._left = _chunk_length(line)
            self._in_trailers = self._left == 0
        return True


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    status = rest[:3]
    if (
        not version.startswith("HTTP/1.")
        or not (status.isascii() and status.isdecimal())
        or rest[3:4].strip()
    ):
        raise Broken("the server does not speak HTTP/1.1")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return int(status), headers


def _chunk_length(line: bytes) -> int:
    text = line.partition(b";")[0].strip()
    if not text or text.strip(b"0123456789abcdefABCDEF"):
        raise Broken("the answer's chunks are broken")
    return int(text, 16)
