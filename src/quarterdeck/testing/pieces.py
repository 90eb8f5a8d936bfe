"""Uploads in pieces by the tus protocol, byte for byte as a test says it; the client of the SDK and tuspy do it by themselves."""

import base64
import contextlib
import hashlib
import zlib
from collections.abc import AsyncIterator, Mapping

from quarterdeck.testing.storage_client import Answer, Proxy
from quarterdeck.wire.folders import StorageGrant

UPLOADS = "/client/v1/uploads"
VERSION = {"Tus-Resumable": "1.0.0"}
PIECE = {"Content-Type": "application/offset+octet-stream", **VERSION}


def metadata(**said: str) -> dict[str, str]:
    """Return Upload-Metadata that says this."""
    encoded = (f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in said.items())
    return {"Upload-Metadata": ",".join(encoded)}


def checksum(data: bytes, algorithm: str = "sha256") -> dict[str, str]:
    """Return Upload-Checksum of these bytes."""
    digest = (
        zlib.crc32(data).to_bytes(4)
        if algorithm == "crc32"
        else hashlib.new(algorithm, data).digest()
    )
    return {"Upload-Checksum": f"{algorithm} {base64.b64encode(digest).decode()}"}


def of_grant(grant: StorageGrant, url: str | None = None) -> "Pieces":
    """Return uploads into the folder of a grant, through the storage-proxy at a URL: that of the grant if none is given."""
    port = int((url or grant.url).rpartition(":")[2])
    return Pieces(Proxy(port, "", ""), grant.token)


class Pieces:
    """Uploads with one token through one storage-proxy."""

    def __init__(self, proxy: Proxy, token: str) -> None:
        self._proxy = proxy
        self._token = token

    async def call(
        self,
        method: str,
        target: str = UPLOADS,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Call the API of uploads."""
        sent = {**VERSION, **(headers or {})}
        return await self._proxy.call(method, target, bearer=self._token, headers=sent, body=body)

    async def begin(self, size: int, headers: Mapping[str, str] | None = None, **said: str) -> str:
        """Begin an upload and return its address."""
        given = {
            "Upload-Length": str(size),
            **(metadata(**said) if said else {}),
            **(headers or {}),
        }
        answer = await self.call("POST", headers=given, body=b"")
        if answer.status != 201:
            raise AssertionError(f"not begun: {answer}")
        return answer.headers["location"]

    async def send(self, target: str, offset: int, data: bytes, **headers: str) -> Answer:
        """Send a piece."""
        given = {**PIECE, "Upload-Offset": str(offset), **headers}
        return await self.call("PATCH", target, given, data)

    async def offset(self, target: str) -> int:
        """Return how many bytes are kept."""
        return int((await self.call("HEAD", target)).headers["upload-offset"])

    @contextlib.asynccontextmanager
    async def half(
        self, target: str, offset: int, data: bytes, length: int, **more: str
    ) -> AsyncIterator[None]:
        """Send the beginning of a piece of a length; its connection is open for the time of a block."""
        headers = {**PIECE, "Upload-Offset": str(offset), "Content-Length": str(length)}
        headers |= more
        opened = self._proxy.connection("PATCH", target, bearer=self._token, headers=headers)
        async with opened as (_, writer):
            writer.write(data)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            yield
