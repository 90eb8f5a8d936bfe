"""Requests that no well-behaved client sends: exactly the path, headers and body that a test says.

`files` goes to the storage-proxy's client API with a grant, `signed` to a manager or an agent with a signature.
"""

import contextlib
import io
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from quarterdeck.base.clock import SystemClock
from quarterdeck.testing.tenancy import User
from quarterdeck.wire import signing
from quarterdeck.wire.folders import StorageGrant


class Answer(msgspec.Struct, frozen=True):
    """What came back: status, body, and the body's code and field if it is a problem."""

    status: int
    body: bytes
    content_type: str
    code: str | None = None
    field: str | None = None


class Raw:
    """Sends to one address."""

    def __init__(self, http: aiohttp.ClientSession, base: str) -> None:
        self._http = http
        self._base = base

    async def __call__(self, method: str, path: str, **options: Any) -> Answer:
        """Send to the base address and this path, which is taken as it is."""
        url = URL(self._base + path, encoded=True)
        async with self._http.request(method, url, **options) as response:
            body = await response.read()
            kind = response.content_type
            problem = msgspec.json.decode(body) if kind == "application/problem+json" else {}
            return Answer(response.status, body, kind, problem.get("code"), problem.get("field"))


@contextlib.asynccontextmanager
async def files(grant: StorageGrant, *, token: str | None = None) -> AsyncIterator[Raw]:
    """Talk to the files of a grant, or there with another token."""
    credential = {"Authorization": f"Bearer {grant.token if token is None else token}"}
    async with aiohttp.ClientSession(headers=credential) as http:
        yield Raw(http, f"{grant.url}/client/v1/files/")


@contextlib.asynccontextmanager
async def bearer(url: str, secret: str) -> AsyncIterator[Raw]:
    """Talk to a storage-proxy's manager API with a secret."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {secret}"}) as http:
        yield Raw(http, url)


class Signed:
    """Sends signed requests, to the manager or to an agent; each part can be made wrong."""

    def __init__(
        self, http: aiohttp.ClientSession, url: str, access_key: str, secret_key: str
    ) -> None:
        where = URL(url)
        self._audience = where.user or ""
        self._raw = Raw(http, str(where.with_user(None)))
        self._authority = where.with_user(None).authority
        self._access_key = access_key
        self._secret_key = secret_key

    async def __call__(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        at: datetime | None = None,
        content_type: str = "application/json",
        changed: Mapping[str, str] | None = None,
    ) -> Answer:
        """Sign and send. `at` is the request's date; `changed` replaces headers after they were signed."""
        kind = content_type if body else ""
        message = signing.Message(method, path, self._authority, kind, body, self._audience)
        now = at or SystemClock().now()
        headers = signing.sign(message, self._access_key, self._secret_key, now)
        headers |= {signing.AUDIENCE_HEADER: self._audience} if self._audience else {}
        headers |= {"Content-Type": kind} if kind else {}
        return await self._raw(
            method,
            path,
            data=io.BytesIO(body) if body else None,
            headers={**headers, **(changed or {})},
        )


@contextlib.asynccontextmanager
async def signed(url: str, access_key: str, secret_key: str) -> AsyncIterator[Signed]:
    """Talk to a manager or agent with a key pair. An agent's URL names it, see `wire.agents.url`."""
    async with aiohttp.ClientSession(skip_auto_headers=("Content-Type",)) as http:
        yield Signed(http, url, access_key, secret_key)


@contextlib.asynccontextmanager
async def as_user(user: User) -> AsyncIterator[Signed]:
    """Talk to the manager as a user of a test."""
    async with signed(user.url, user.keypair.access_key, user.keypair.secret_key) as send:
        yield send
