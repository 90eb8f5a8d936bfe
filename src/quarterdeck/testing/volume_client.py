"""A volume of the storage-proxy, without HTTP, in words of one syllable: paths are text, contents are bytes."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from quarterdeck.base.errors import QuarterdeckError
from quarterdeck.storage_proxy import globs, ports
from quarterdeck.storage_proxy.model import Limits, Span, TreePath, parse


async def stream(*blocks: bytes, error: QuarterdeckError | None = None) -> AsyncIterator[bytes]:
    """Give blocks, then raise."""
    for block in blocks:
        yield block
    if error is not None:
        raise error


class VolumeClient:
    """One tree of a volume."""

    def __init__(self, volume: ports.Volume, tree: str) -> None:
        self.volume = volume
        self.tree = tree

    async def put(self, path: str, *blocks: bytes) -> None:
        """Write a file."""
        await self.volume.put(self.tree, at(path), stream(*blocks))

    async def read(self, path: str) -> bytes:
        """Read a file."""
        async with self.volume.open(self.tree, at(path)) as source:
            async with aclosing(_blocks(source)) as blocks:
                return b"".join([block async for block in blocks])

    async def names(self, path: str = "", *, tree: str | None = None) -> list[str]:
        """Return all paths below one; directories end in a slash."""
        entries = await self.volume.entries(tree or self.tree, at(path), recursive=True)
        return [entry.path + ("/" if entry.kind == "directory" else "") for entry in entries]

    async def mkdir(self, path: str) -> None:
        """Make a directory."""
        await self.volume.mkdir(self.tree, at(path))

    async def move(self, source: str, target: str) -> None:
        """Give a file or directory another path."""
        await self.volume.move(self.tree, at(source), at(target))

    async def copy(self, source: str, target: str) -> None:
        """Copy a file or directory."""
        await self.volume.copy(self.tree, at(source), at(target))

    async def delete(self, path: str) -> None:
        """Remove a file or directory."""
        await self.volume.delete(self.tree, at(path))

    async def search(self, pattern: str, path: str = "", *, limit: int = 100) -> list[str]:
        """Return the paths that match, and `...` if there are more."""
        found = await self.volume.search(self.tree, at(path), globs.parse(pattern), limit)
        return [entry.path for entry in found.items] + (["..."] if found.more else [])


def at(path: str) -> TreePath:
    """Return a path given as text."""
    return parse(path, Limits())


async def _blocks(source: ports.Source) -> AsyncGenerator[bytes, None]:
    async for block in source.blocks(Span(0, source.entry.size)):
        yield block
