"""A container registry, by the OCI distribution API: repositories, tags, manifests, blobs. What has a digest is held against it.

    async with registry.Registry.open(url, credentials, clock) as found:
        async for tag in found.tags("python"): ...

Every error is a `RegistryError`. The caller owns the deadline; a server that says nothing for `READ_SECONDS_MAX` is unreachable, too.
"""

import contextlib
import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote, urljoin

import aiohttp
import msgspec
from msgspec import Meta

from quarterdeck.base.clock import Clock
from quarterdeck.infra.errors import (
    BlobNotFound,
    DigestMismatch,
    ManifestNotFound,
    RegistryMisbehaves,
    RegistryUnreachable,
    RepositoryNotFound,
)
from quarterdeck.infra.registry_access import Credentials
from quarterdeck.infra.registry_requests import CHUNK_BYTES, Requests, read, require
from quarterdeck.wire import decode, oci
from quarterdeck.wire.errors import Invalid

CONNECTIONS_MAX = 8
CONNECT_SECONDS_MAX = 5.0
READ_SECONDS_MAX = 30.0
PAGE_ENTRIES = 100
PAGES_MAX = 1000
PAGE_BYTES_MAX = 4 * 1024 * 1024
BLOB_ATTEMPTS_MAX = 5
"""Connections in a row that may bring nothing of a blob; one that brings something begins the count anew."""

_CATALOG = "registry:catalog:*"
_NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?')
_ACCEPT = ", ".join((oci.OCI_INDEX, oci.DOCKER_INDEX, oci.OCI_MANIFEST, oci.DOCKER_MANIFEST))


class _Page(msgspec.Struct, frozen=True):
    """Of the catalogue, or of a repository's tags."""

    repositories: Annotated[tuple[str, ...], Meta(max_length=100_000)] | None = None
    tags: Annotated[tuple[str, ...], Meta(max_length=100_000)] | None = None


@dataclass(frozen=True)
class Fetched:
    """A manifest or an index as it came, and its digest, which it has been held against."""

    digest: str
    content: oci.Manifest | oci.Index
    body: bytes


class Registry:
    """One registry."""

    def __init__(
        self,
        url: str,
        session: aiohttp.ClientSession,
        credentials: Credentials | None,
        clock: Clock,
        *,
        page_entries: int = PAGE_ENTRIES,
    ) -> None:
        self.url = url.rstrip("/")
        self._page_entries = page_entries
        self._requests = Requests(self.url, session, credentials, clock)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        url: str,
        credentials: Credentials | None,
        clock: Clock,
        *,
        page_entries: int = PAGE_ENTRIES,
    ) -> AsyncIterator["Registry"]:
        """Own connections for the time of a block; connects when first used."""
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=CONNECT_SECONDS_MAX, sock_read=READ_SECONDS_MAX
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"Accept-Encoding": "identity"},
        ) as session:
            yield cls(url, session, credentials, clock, page_entries=page_entries)

    async def check(self) -> None:
        """Ask whether this is a registry that lets us in. Raises `RegistryError`."""
        async with self._requests.get("/v2/", "") as response:
            require(response, RegistryMisbehaves("it knows no /v2/: it is no registry"))

    async def catalog(self) -> AsyncGenerator[str, None]:
        """Give the names of all repositories, page by page. Raises `RegistryError`."""
        async for page in self._pages(f"/v2/_catalog?n={self._page_entries}", _CATALOG):
            for name in page.repositories or ():
                yield name

    async def tags(self, repository: str) -> AsyncGenerator[str, None]:
        """Give all tags of a repository, page by page. Raises `RepositoryNotFound`, `RegistryError`."""
        path = f"/v2/{_name(repository)}/tags/list?n={self._page_entries}"
        async for page in self._pages(path, _pull(repository)):
            for name in page.tags or ():
                yield name

    async def manifest(self, repository: str, reference: str) -> Fetched:
        """Return what a tag or a digest names. Raises `ManifestNotFound`, `DigestMismatch`, `RegistryError`."""
        path = f"/v2/{_name(repository)}/manifests/{quote(reference, safe=':')}"
        missing = ManifestNotFound(f"{repository} has no {reference}")
        async with self._requests.get(path, _pull(repository), {"Accept": _ACCEPT}) as response:
            require(response, missing)
            body = await read(response, oci.MANIFEST_BYTES_MAX)
            told = response.headers.get("Docker-Content-Digest", "")
            kind = response.headers.get("Content-Type", "")
        found = oci.digest(body)
        wanted = reference if ":" in reference else told
        if wanted.startswith("sha256:") and wanted != found:
            raise DigestMismatch(f"{repository}: {reference} should be {wanted} and is {found}")
        try:
            return Fetched(found, oci.parse(body, kind), body)
        except Invalid as error:
            raise RegistryMisbehaves(f"{repository}:{reference}: {error}") from error

    async def config(self, repository: str, manifest: oci.Manifest) -> oci.ImageConfig:
        """Return the configuration of an image. Raises `BlobNotFound`, `DigestMismatch`, `RegistryError`."""
        wanted = manifest.config
        if wanted.size > oci.CONFIG_BYTES_MAX:
            raise RegistryMisbehaves(f"{repository}: a configuration of {wanted.size} bytes")
        body = b"".join([chunk async for chunk in self.blob(repository, wanted)])
        try:
            return decode.decode(oci.ImageConfig, body)
        except Invalid as error:
            raise RegistryMisbehaves(f"{repository}: its configuration: {error}") from error

    async def blob(
        self, repository: str, wanted: oci.Descriptor, *, start: int = 0
    ) -> AsyncGenerator[bytes, None]:
        """Give the content of a blob from byte `start` on; goes on where a connection broke.

        Held against its digest if it is read from its beginning: what came is good only when the iteration has ended. Raises
        `BlobNotFound`, `DigestMismatch`, `RegistryError`.
        """
        seen, at, failures = hashlib.sha256(), start, 0
        while at < wanted.size:
            before = at
            try:
                async for chunk in self._blob_from(repository, wanted, at):
                    at += len(chunk)
                    seen.update(chunk)
                    yield chunk
            except RegistryUnreachable:
                failures = 1 if at > before else failures + 1
                if failures >= BLOB_ATTEMPTS_MAX:
                    raise
        if start == 0 and f"sha256:{seen.hexdigest()}" != wanted.digest:
            raise DigestMismatch(f"{repository}: the content of {wanted.digest} is another one")

    async def _blob_from(
        self, repository: str, wanted: oci.Descriptor, at: int
    ) -> AsyncGenerator[bytes, None]:
        """Give what one connection brings, and never more than there should be. Raises `RegistryUnreachable` if it ends early."""
        path = f"/v2/{_name(repository)}/blobs/{wanted.digest}"
        headers = {"Range": f"bytes={at}-"} if at else {}
        missing = BlobNotFound(f"{repository} has no {wanted.digest}")
        async with self._requests.get(path, _pull(repository), headers) as response:
            require(response, missing)
            skip = at if response.status == 200 else 0  # it knows no ranges
            left = wanted.size - at
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                part, skip = chunk[skip:], max(0, skip - len(chunk))
                left -= len(part)
                if left < 0:
                    raise DigestMismatch(f"{repository}: {wanted.digest} is longer than it should")
                if part:
                    yield part
        if left:
            raise RegistryUnreachable(f"{self.url}: {wanted.digest} ended {left} bytes early")

    async def _pages(self, path: str, scope: str) -> AsyncGenerator[_Page, None]:
        """Follow the links from page to page: all within this registry, none twice."""
        seen: set[str] = set()
        while path:
            if path in seen or len(seen) >= PAGES_MAX:
                raise RegistryMisbehaves(f"{self.url}: its list does not end: {path[:200]!r}")
            seen.add(path)
            async with self._requests.get(path, scope) as response:
                require(response, RepositoryNotFound(f"{self.url} does not have {path[:300]}"))
                body = await read(response, PAGE_BYTES_MAX)
                link = _NEXT.search(response.headers.get("Link", ""))
            try:
                yield decode.decode(_Page, body)
            except Invalid as error:
                raise RegistryMisbehaves(f"{self.url}: {path[:300]}: {error}") from error
            path = self._inside(path, link[1]) if link else ""

    def _inside(self, path: str, link: str) -> str:
        """Return the next page's path. Raises `RegistryMisbehaves` for one that leads elsewhere."""
        try:
            target = urljoin(self.url + path, link)
        except ValueError as error:
            raise RegistryMisbehaves(f"{self.url}: its list goes on nowhere: {error}") from error
        if not target.startswith(f"{self.url}/"):
            raise RegistryMisbehaves(f"{self.url}: its list goes on elsewhere: {target[:200]!r}")
        return target.removeprefix(self.url)


def _name(repository: str) -> str:
    return quote(repository, safe="/")


def _pull(repository: str) -> str:
    return f"repository:{repository}:pull"
