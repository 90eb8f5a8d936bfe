"""What the storage-proxy asks of a place that keeps files. `volumes` has the adapters, `quarterdeck.testing.fakes.storage` a fake.

Every operation raises the conditions of `quarterdeck.storage_proxy.errors`, `TreeNotFound` foremost.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import BinaryIO, Protocol, runtime_checkable

from quarterdeck.storage_proxy.globs import Glob
from quarterdeck.storage_proxy.model import Span, TreePath, Upload
from quarterdeck.wire.folders import FileEntry
from quarterdeck.wire.trees import Found, QuotaLimits, QuotaView

ABILITY_MOUNT = "mount"
"""The volume's trees are directories of this machine: it is `Mountable`."""

ABILITY_RESUME = "resume"
"""The volume takes files in pieces: it is `Resumable`."""

ABILITY_QUOTA = "quota"
"""The volume counts what its trees hold: it is `Metered`."""

ABILITY_ATOMIC = "atomic"
"""A move happens at once, a copy or clone appears whole and shows one moment; elsewhere only each file does."""


Block = bytes | memoryview
"""Bytes on their way into a file."""


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


class AtHand(Source, Protocol):
    """A small file that has been read already."""

    @property
    def content(self) -> bytes:
        """All that is in it."""
        ...


@runtime_checkable
class Prompt(Protocol):
    """A volume that takes and gives small files at once."""

    def at_hand(self, tree: str, path: TreePath) -> AtHand | None:
        """Return a small file without waiting for anything; None where that cannot be: `open` tells why."""
        ...

    def begin_put(self, tree: str, path: TreePath, content: bytes) -> asyncio.Future[FileEntry]:
        """Have a file written whose content is there. It ends as `put` does."""
        ...


class Files(Protocol):
    """Trees of files, each alone under its id."""

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

    async def put(
        self, tree: str, path: TreePath, blocks: AsyncIterator[Block], size: int | None = None
    ) -> FileEntry:
        """Take in a file, block by block, and replace an older one at its path; directories above it are made.

        A block is good until the next one is asked for; `size` is how many bytes they will be, where that is known.
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


class Arranged(Protocol):
    """What else can be done in trees. Nothing that is there is ever replaced: `PathTaken`."""

    async def stat(self, tree: str, path: TreePath) -> FileEntry:
        """Tell what is at a path; the root is a directory. Raises `FileNotFound`."""
        ...

    async def mkdir(self, tree: str, path: TreePath) -> FileEntry:
        """Make a directory and those above it; nothing happens if it is there. Raises `NotDirectory`."""
        ...

    async def move(self, tree: str, source: TreePath, target: TreePath) -> FileEntry:
        """Give a file or directory another path. Raises `FileNotFound`, `PathTaken`, `PathRefused` for a target inside the source."""
        ...

    async def copy(self, tree: str, source: TreePath, target: TreePath) -> FileEntry:
        """Copy a file, or a directory with all in it. Raises as `move` does, and `FileBusy`, `TooManyEntries`."""
        ...

    async def search(self, tree: str, path: TreePath, glob: Glob, limit: int) -> Found:
        """Find what matches below a directory, at most so many, in a bounded number of steps. Raises `TooManyEntries` beyond these."""
        ...

    async def clone_tree(self, tree: str, clone: str, scope: str | None) -> None:
        """Make a new tree with a copy of all that is in another; nothing happens if the new one is there. Raises as `copy` does."""
        ...


class Volume(Files, Arranged, Protocol):
    """A storage host."""


@runtime_checkable
class Metered(Protocol):
    """A volume that counts what the trees of a scope hold, and refuses what would be too much: `QuotaExceeded`."""

    async def create_tree(self, tree: str, scope: str | None = None) -> None:
        """Make an empty tree in a scope; nothing happens if it is there."""
        ...

    async def rescope(self, tree: str, scope: str, turn: int, *, must_fit: bool) -> None:
        """Let a tree be another scope's, in one step; nothing happens if it is. Raises `TurnPassed` if a request of a later turn came
        before, `QuotaExceeded` if it must fit and does not.
        """
        ...

    async def limit(self, scope: str, limits: QuotaLimits) -> None:
        """Set how much the trees of a scope may hold from now on."""
        ...

    async def quota(self, scope: str) -> QuotaView:
        """Return limits and usage of a scope; one without trees and limits uses nothing."""
        ...


@runtime_checkable
class Mountable(Protocol):
    """A volume whose trees are directories of this machine."""

    async def mount_path(self, tree: str) -> str:
        """Return the absolute path of the tree's root directory."""
        ...


class Writer(Protocol):
    """The only writer of an upload: nobody else, on no storage-proxy, writes while this is held."""

    @property
    def upload(self) -> Upload:
        """What the upload said when it began."""
        ...

    @property
    def offset(self) -> int:
        """How many bytes are kept: a crash takes none of them back. All of them once the file is at its path."""
        ...

    @property
    def finished(self) -> bool:
        """Whether the file is at its path already."""
        ...

    @property
    def mark(self) -> str:
        """A mark of what is kept: the same when nobody else has written since."""
        ...

    async def write(self, block: Block) -> None:
        """Append, without keeping it yet. Raises `StorageFull`."""
        ...

    async def keep(self) -> None:
        """Keep what was written."""
        ...

    async def drop(self) -> None:
        """Take back what was written and not kept."""
        ...

    async def join(self, parts: Sequence["Writer"]) -> None:
        """Write the kept content of other uploads of the same tree, one after the other."""
        ...

    def content(self, length: int) -> AsyncIterator[bytes]:
        """Read the first bytes of what was written."""
        ...

    async def finish(self) -> FileEntry:
        """Put all that was written at the upload's path, whole and durable; nothing of it stays elsewhere.

        Raises as `Volume.put` does; then nothing has changed.
        """
        ...

    async def discard(self) -> None:
        """Forget the upload and what was written."""
        ...


class Uploads(Protocol):
    """Uploads in pieces. What is known of one lies beside its data, so that every storage-proxy of the volume can go on with it."""

    async def begin(self, tree: str, upload: Upload, *, parts: int = 0) -> None:
        """Begin an upload, empty; it is to be joined of so many parts, whose content counts already. Raises `TreeNotFound`,
        `TooManyUploads`, and at once what can be told of its path.
        """
        ...

    async def find(self, tree: str, upload: str) -> tuple[Upload, int]:
        """Return an upload and how many bytes of it are kept, whoever writes. Raises `UploadNotFound`."""
        ...

    async def under_way(self, tree: str) -> list[tuple[Upload, int]]:
        """Return the uploads that are under way, oldest first."""
        ...

    def writer(self, tree: str, upload: str) -> AbstractAsyncContextManager[Writer]:
        """Become the writer of an upload. Raises `UploadBusy` while there is one, `UploadNotFound`."""
        ...

    async def sweep(self) -> None:
        """Forget all uploads that have expired, in every tree."""
        ...


@runtime_checkable
class Resumable(Protocol):
    """A volume that takes files in pieces."""

    @property
    def uploads(self) -> Uploads:
        """The uploads in pieces."""
        ...
