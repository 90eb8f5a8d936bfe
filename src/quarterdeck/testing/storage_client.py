"""HTTP to a storage-proxy, byte for byte as a test says it: no client library tidies its paths or hides its connection."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from quarterdeck.base.clock import SystemClock
from quarterdeck.wire import tokens
from quarterdeck.wire.folders import Right

_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Answer:
    """What came back; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)

    @property
    def problem(self) -> tuple[int, str]:
        """Status and code of a refusal, which must be a problem."""
        if not self.headers.get("content-type", "").startswith("application/problem+json"):
            raise AssertionError(f"no problem: {self}")
        return self.status, self.json["code"]


@dataclass(frozen=True)
class Proxy:
    """One storage-proxy, and the secrets that it shares with the manager."""

    port: int
    token_key: str
    secret: str

    def token(self, host: str, tree: str, right: Right | str, *, seconds: float = 60) -> str:
        """Return a token as the manager signs it."""
        deadline = SystemClock().now() + timedelta(seconds=seconds)
        claims = tokens.StorageToken(
            host=host, tree=tree, right=Right(right), exp=int(deadline.timestamp())
        )
        return tokens.sign(claims, self.token_key)

    async def call(
        self,
        method: str,
        target: str,
        *,
        bearer: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Send a request on a connection of its own and read the whole answer."""
        sent = {"Connection": "close", **(headers or {})}
        if body is not None:
            sent.setdefault("Content-Length", str(len(body)))
        async with self.connection(method, target, bearer=bearer, headers=sent) as (
            reader,
            writer,
        ):
            writer.write(body or b"")
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            return await answer(reader, has_body=method != "HEAD")

    @contextlib.asynccontextmanager
    async def connection(
        self,
        method: str,
        target: str,
        *,
        bearer: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Send the head of a request and give the connection for the rest; it is closed afterwards."""
        sent = {"Host": f"{_HOST}:{self.port}", **(headers or {})}
        if bearer is not None:
            sent["Authorization"] = f"Bearer {bearer}"
        lines = [
            f"{method} {target} HTTP/1.1",
            *(f"{name}: {value}" for name, value in sent.items()),
        ]
        reader, writer = await asyncio.open_connection(_HOST, self.port)
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@dataclass(frozen=True)
class Tree:
    """One tree of a storage-proxy, with every right."""

    proxy: Proxy
    host: str
    id: str

    async def create(self) -> Answer:
        """Make it, by the manager API."""
        return await self.manager("PUT")

    async def delete(self) -> Answer:
        """Remove it, by the manager API."""
        return await self.manager("DELETE")

    async def manager(self, method: str, rest: str = "") -> Answer:
        """Call the manager API about it."""
        target = f"/manager/v1/trees/{self.host}/{self.id}{rest}"
        return await self.proxy.call(method, target, bearer=self.proxy.secret)

    async def call(
        self,
        method: str,
        rest: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        right: Right | str = Right.WRITE,
    ) -> Answer:
        """Call the client API for files: `rest` follows `/client/v1/files` as it is."""
        return await self.call_client(
            method, f"/files{rest}", headers=headers, body=body, right=right
        )

    async def call_client(
        self,
        method: str,
        rest: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        right: Right | str = Right.WRITE,
    ) -> Answer:
        """Call the client API: `rest` follows `/client/v1` as it is."""
        bearer = self.proxy.token(self.host, self.id, right)
        target = f"/client/v1{rest}"
        return await self.proxy.call(method, target, bearer=bearer, headers=headers, body=body)

    async def names(self) -> list[str]:
        """Return the paths of all that is in it."""
        listed = await self.call("GET", "?recursive=true", right=Right.READ)
        return [entry["path"] for entry in listed.json["items"]]


async def answer(reader: asyncio.StreamReader, *, has_body: bool = True) -> Answer:
    """Read an answer whose body has a length."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split()[1])
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    length = int(headers.get("content-length", "0")) if has_body else 0
    return Answer(status, headers, await reader.readexactly(length))
