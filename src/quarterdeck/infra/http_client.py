"""JSON over HTTP to other components: a call ends with a value, or `Refused`, `Unreachable`, `OutcomeUnknown`.

The caller owns the deadline (`async with asyncio.timeout(...)`); running into it means outcome unknown, too.
"""

import contextlib
import functools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar
from urllib.parse import unquote

from quarterdeck.base import http_pool, log
from quarterdeck.base.clock import Clock
from quarterdeck.base.config import Secret
from quarterdeck.infra.errors import OutcomeUnknown, Refused, Unreachable
from quarterdeck.wire import decode, problem, signing
from quarterdeck.wire.errors import Invalid

ANSWER_BYTES_MAX = 32 * 1024 * 1024
LIMITS = http_pool.Limits(connections=256, origin_connections=64, wait_seconds=3.0)
"""Of calls that end soon; the wait is shorter than any caller's deadline."""

ADDRESSES_KEPT_MAX = 1024

_T = TypeVar("_T")
_SAFE = frozenset({"GET", "HEAD"})
_UNSURE = frozenset({"internal", "outcome-unknown"})


class Auth(Protocol):
    """Gives the headers that say who asks."""

    def headers(self, message: signing.Message) -> Mapping[str, str]:
        """Return headers for a request."""
        ...


@dataclass(frozen=True)
class Signed:
    """Signs requests with a key pair."""

    access_key: str
    secret: Secret
    clock: Clock

    def headers(self, message: signing.Message) -> Mapping[str, str]:
        """Return the signature's headers."""
        return signing.sign(message, self.access_key, self.secret.reveal(), self.clock.now())


@dataclass(frozen=True)
class Bearer:
    """Shows a shared secret or a token."""

    secret: Secret

    def headers(self, message: signing.Message) -> Mapping[str, str]:  # noqa: ARG002 - the same for all
        """Return the bearer header."""
        return {"Authorization": f"Bearer {self.secret.reveal()}"}


class HttpClient:
    """Calls other components, over kept connections."""

    def __init__(self, pool: http_pool.Pool) -> None:
        self._pool = pool

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, limits: http_pool.Limits = LIMITS) -> AsyncIterator["HttpClient"]:
        """Own the connections for the time of a block. A call that gets none in time is `Unreachable`: it was not sent."""
        async with http_pool.Pool.open(answer_bytes_max=ANSWER_BYTES_MAX, limits=limits) as pool:
            yield cls(pool)

    async def call(
        self, method: str, url: str, type_: type[_T], *, auth: Auth, body: object | None = None
    ) -> _T:
        """Send a request and read the answer as a type (`type(None)` for an answer without content).

        A URL has a path, and may name the one component that it is for: `http://id@host:port/...`.

        Raises `Refused` (nothing was done), `Unreachable` (nothing was done), `OutcomeUnknown` (not for GET: that is `Unreachable`).
        """
        response = await self._exchange(method, url, auth, body)
        if response.status >= 400:
            raise _failure(method, url, response.status, response.body)
        if type_ is type(None):
            return None
        try:
            return decode.decode(type_, response.body)
        except Invalid as error:
            raise _unsure(method, f"{method} {url}: answer not understood: {error}") from error

    async def _exchange(
        self, method: str, url: str, auth: Auth, body: object | None
    ) -> http_pool.Response:
        data = b"" if body is None else decode.encode(body)
        origin, target = http_pool.split(url)
        content_type = "" if body is None else "application/json"
        audience, host, origin = _addressee(origin)
        message = signing.Message(method, target, host, content_type, data, audience)
        headers = {"Host": host, **auth.headers(message)}
        if audience:
            headers[signing.AUDIENCE_HEADER] = audience
        if body is not None:
            headers["Content-Type"] = content_type
        if (trace := log.trace()) is not None:
            headers["X-Request-Id"] = trace
        try:
            return await self._pool.exchange(method, origin + target, headers, data)
        except http_pool.NotConnected as error:
            raise Unreachable(f"{method} {url}: {error}") from error
        except OSError as error:
            raise _unsure(method, f"{method} {url}: {error}") from error


@functools.lru_cache(maxsize=ADDRESSES_KEPT_MAX)
def _addressee(origin: str) -> tuple[str, str, str]:
    """Return the one component that an origin is for, if it says so, its host, and the origin without that."""
    scheme, _, rest = origin.partition("://")
    audience, _, host = rest.rpartition("@")
    return unquote(audience), host, f"{scheme}://{host}"


def _failure(
    method: str, url: str, status: int, answer: bytes
) -> Refused | Unreachable | OutcomeUnknown:
    try:
        found = decode.decode(problem.Problem, answer)
    except Invalid:
        return _unsure(method, f"{method} {url}: status {status} without a problem")
    if found.code in _UNSURE and method not in _SAFE:
        return OutcomeUnknown(f"{method} {url}: {found.code}: {found.detail}")
    return Refused(found)


def _unsure(method: str, detail: str) -> Unreachable | OutcomeUnknown:
    return Unreachable(detail) if method in _SAFE else OutcomeUnknown(detail)
