"""What the storage-proxy asks of a place that keeps files. `volumes` has the adapters, `quarterdeck.testing.fakes.storage` a fake.

Every operation raises the conditions of `quarterdeck.storage_proxy.errors`, `TreeNotFound` foremost.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import BinaryIO, Protocol, runtime_checkable

from quarterdeck.storage_proxy.model import Span, TreePath
from quarterdeck.wire.folders import FileEntry

ABILITY_MOUNT = "mount"
"""The volume's trees are directories of this machine: it is `Mountable`."""


class Source(Protocol):
    """One file, opened: what is read belongs to one version of it."""

    @property
    def entry(self) -> FileEntry:
        """The file as a listing shows it."""
        ...

    @property
    def etag(self) -> str:
        """A mark of this version, without quotes."""
        ...

    def blocks(self, stretch: Span) -> AsyncIterator[bytes]:
        """Read the stretch in blocks of bounded size."""
        ...


@runtime_checkable
class Descriptor(Protocol):
    """A source that is a file of this machine, so that the kernel can send it."""

    @property
    def file(self) -> BinaryIO:
        """The open file."""
        ...


class Volume(Protocol):
    """A storage host: trees of files, each alone under its id."""

    @property
    def abilities(self) -> frozenset[str]:
        """What it can do beyond this port: `ABILITY_…`."""
        ...

    async def create_tree(self, tree: str) -> None:
        """Make an empty tree; nothing happens if it is there."""
        ...

    async def delete_tree(self, tree: str) -> None:
        """Remove the tree with all its files; nothing happens if it is gone."""
        ...

    async def entries(self, tree: str, path: TreePath, *, recursive: bool) -> list[FileEntry]:
        """List what is in a directory, sorted by path; a file lists itself. Raises `FileNotFound`, `TooManyEntries`."""
        ...

    async def put(self, tree: str, path: TreePath, blocks: AsyncIterator[bytes]) -> FileEntry:
        """Take in a file, block by block, and replace an older one at its path; directories above it are made.

        It appears whole and durable, or not at all: when `blocks` ends in an error, that error comes out and nothing is left.
        Raises `IsDirectory`, `NotDirectory`, `TooManyEntries`, `StorageFull`.
        """
        ...

    def open(self, tree: str, path: TreePath) -> AbstractAsyncContextManager[Source]:
        """Open a file. Raises `FileNotFound`, `IsDirectory`, `NotDirectory`."""
        ...

    async def delete(self, tree: str, path: TreePath) -> None:
        """Remove a file, or a directory with all in it. Raises `FileNotFound`."""
        ...


@runtime_checkable
class Mountable(Protocol):
    """A volume whose trees are directories of this machine."""

    async def mount_path(self, tree: str) -> str:
        """Return the absolute path of the tree's root directory."""
        ...
