"""Answers as values: what a handler of a small request gives, a problem too, and how it goes out, by aiohttp or as bytes at once."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time

from quarterdeck.wire import decode

_REASONS = {status.value: status.phrase for status in HTTPStatus}

SERVER = "quarterdeck"
"""What every answer calls its server."""


class Answer(NamedTuple):
    """A whole answer; its headers are of characters that a header may have."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    def response(self) -> web.Response:
        """Return it for aiohttp to send."""
        return web.Response(status=self.status, headers=self.headers, body=self.body or None)

    def written(self, trace: str) -> bytes:
        """Return it as bytes, its headers in the order that aiohttp gives them."""
        given = "".join([f"{name}: {value}\r\n" for name, value in self.headers.items()])
        length = "" if self.status == 204 else f"Content-Length: {len(self.body)}\r\n"
        head = (
            f"HTTP/1.1 {self.status} {_REASONS.get(self.status, '')}\r\n{given}{length}"
            f"Date: {rfc822_formatted_time()}\r\nServer: {SERVER}\r\nX-Request-Id: {trace}\r\n\r\n"
        )
        return head.encode() + self.body


DONE = Answer(204, {})
"""It is done and there is nothing to say."""


def json(value: object, status: int = 200) -> Answer:
    """Return a wire type as JSON."""
    return Answer(status, {"Content-Type": "application/json"}, decode.encode(value))
