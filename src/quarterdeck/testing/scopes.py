"""A quota scope on the local host, by the manager API of a storage-proxy: sets limits, reads what is used."""

import json

from quarterdeck.testing import system
from quarterdeck.testing.raw import bearer


class Scope:
    """A user's folders together."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._path = f"/manager/v1/scopes/local/{name}"

    async def limit(self, size: int | None = None, inodes: int | None = None) -> None:
        """Set how much may be there."""
        content = json.dumps({"bytes": size, "inodes": inodes}).encode()
        headers = {"Content-Type": "application/json"}
        async with bearer(self._url, system.keys.storage) as send:
            answer = await send("PUT", self._path, data=content, headers=headers)
        if answer.status != 204:
            raise AssertionError(f"not set: {answer}")

    async def used(self) -> tuple[int, int]:
        """Return how many bytes, files and directories count."""
        async with bearer(self._url, system.keys.storage) as send:
            view = json.loads((await send("GET", self._path)).body)
        return view["bytes_used"], view["inodes_used"]
