"""Requests to a registry: who asks is shown where it is wanted, redirects are followed, what goes wrong is told as a `RegistryError`.

For `registry`, which knows what to ask for; `registry_access` knows what to show.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urljoin, urlsplit

import aiohttp
import yarl

from quarterdeck.base.clock import Clock
from quarterdeck.infra.errors import (
    RegistryError,
    RegistryMisbehaves,
    RegistryUnauthorized,
    RegistryUnreachable,
)
from quarterdeck.infra.registry_access import Access, Credentials

REDIRECTS_MAX = 5
TOKEN_BYTES_MAX = 256 * 1024
CHUNK_BYTES = 256 * 1024

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Requests:
    """Asks one registry."""

    def __init__(
        self,
        url: str,
        session: aiohttp.ClientSession,
        credentials: Credentials | None,
        clock: Clock,
    ) -> None:
        self.url = url
        self._session = session
        self._access = Access(url, credentials, clock, self._ask_tokens)

    @contextlib.asynccontextmanager
    async def get(
        self, path: str, scope: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask, show who asks if that is wanted, follow redirects. Errors of the network within the block are `RegistryUnreachable`."""
        try:
            async with contextlib.AsyncExitStack() as stack:
                yield await self._admitted(stack, path, scope, headers or {})
        except aiohttp.InvalidURL as error:
            raise RegistryMisbehaves(f"{self.url}: it leads to no address: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise RegistryUnreachable(
                f"{self.url}: {str(error) or type(error).__name__}"
            ) from error
        except RegistryError as error:
            raise _of(self.url, error) from error

    async def _admitted(
        self, stack: contextlib.AsyncExitStack, path: str, scope: str, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        """Ask, and take addresses that cannot be read for what they are. Raises `RegistryMisbehaves`, `RegistryUnauthorized`."""
        try:
            return await self._answered(stack, path, scope, headers)
        except aiohttp.ClientError:
            raise
        except ValueError as error:
            raise RegistryMisbehaves(f"it gives an address that is none: {error}") from error

    async def _answered(
        self, stack: contextlib.AsyncExitStack, path: str, scope: str, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        """Ask; once more with what a challenge asks for. Raises `RegistryUnauthorized`."""
        shown = self._access.known(scope)
        response = await self._send(stack, path, shown, headers)
        if response.status != 401:
            return response
        wants = response.headers.get("WWW-Authenticate", "")
        response.release()
        shown = await self._access.answer(wants, scope, shown)
        response = await self._send(stack, path, shown, headers)
        if response.status == 401:
            raise self._access.refused(shown)
        return response

    async def _send(
        self,
        stack: contextlib.AsyncExitStack,
        path: str,
        authorization: str,
        headers: Mapping[str, str],
    ) -> aiohttp.ClientResponse:
        """Send a request and follow redirects; another server is not shown who asks."""
        url = self.url + path
        for _ in range(REDIRECTS_MAX + 1):
            sent = dict(headers)
            if authorization and _origin(url) == _origin(self.url):
                sent["Authorization"] = authorization
            response = await stack.enter_async_context(
                self._session.get(yarl.URL(url, encoded=True), headers=sent, allow_redirects=False)
            )
            if response.status not in _REDIRECTS:
                return response
            url = urljoin(url, response.headers.get("Location", ""))
            response.release()
            if urlsplit(url).scheme not in {"http", "https"}:
                raise RegistryMisbehaves(f"it leads to {url[:200]!r}")
        raise RegistryMisbehaves("it leads from one address to the next without an end")

    async def _ask_tokens(self, url: str, authorization: str) -> bytes:
        headers = {"Authorization": authorization} if authorization else {}
        async with self._session.get(
            yarl.URL(url, encoded=True), headers=headers, allow_redirects=False
        ) as response:
            require(response, RegistryMisbehaves("its tokens are not where it says"))
            return await read(response, TOKEN_BYTES_MAX)


def require(response: aiohttp.ClientResponse, missing: RegistryError) -> None:
    """Raise unless the answer is a success: `missing` for 404, else what the status says."""
    status = response.status
    if status in {200, 206}:
        return
    if status == 404:
        raise missing
    if status in {401, 403}:
        raise RegistryUnauthorized(f"it refuses us: status {status}")
    if status == 429 or status >= 500:
        raise RegistryUnreachable(f"it answers {status}")
    raise RegistryMisbehaves(f"it answers {status}")


async def read(response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    """Return a body that is not too large."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        body += chunk
        if len(body) > bytes_max:
            raise RegistryMisbehaves(f"an answer has more than {bytes_max} bytes")
    return bytes(body)


def _of(url: str, error: RegistryError) -> RegistryError:
    """Return the error with the registry's name before it."""
    detail = error.detail if error.detail.startswith(url) else f"{url}: {error.detail}"
    return type(error)(detail, field=error.field)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
