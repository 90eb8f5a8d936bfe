"""Uploads in pieces on a local volume: the port `Uploads` of `quarterdeck.storage_proxy.ports` over `partials`, in threads."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import ParamSpec

from quarterdeck.base.clock import Clock
from quarterdeck.storage_proxy import errors, ports
from quarterdeck.storage_proxy.model import Limits, TreePath, Upload
from quarterdeck.storage_proxy.volumes import directories, partials, places
from quarterdeck.storage_proxy.volumes.scopes import Amount
from quarterdeck.storage_proxy.volumes.threads import Threads
from quarterdeck.wire.folders import FileEntry

_BLOCK_BYTES = 1 << 20
_P = ParamSpec("_P")


class LocalUploads:
    """The uploads in all trees of a volume."""

    def __init__(
        self, volume: directories.Directories, threads: Threads, clock: Clock, limits: Limits
    ) -> None:
        self._volume = volume
        self._threads = threads
        self._clock = clock
        self._limits = limits

    async def begin(self, tree: str, upload: Upload, *, parts: int = 0) -> None:
        """Begin an upload; those of this tree that have expired make room."""
        await self._threads.run(self._begin, tree, upload, parts)

    async def find(self, tree: str, upload: str) -> tuple[Upload, int]:
        """Return an upload and how many bytes of it are kept."""
        return await self._threads.run(self._find, tree, upload)

    async def under_way(self, tree: str) -> list[tuple[Upload, int]]:
        """Return the uploads that are under way, oldest first."""
        return await self._threads.run(self._under_way, tree)

    @contextlib.asynccontextmanager
    async def writer(self, tree: str, upload: str) -> AsyncIterator[ports.Writer]:
        """Become the writer of an upload."""
        partial = await self._threads.take(self._enter, tree, upload)
        with contextlib.closing(partial):
            yield _Writer(self._volume, self._threads, tree, partial)

    async def sweep(self) -> None:
        """Forget all uploads that have expired."""
        for tree in await self._threads.run(self._volume.trees):
            with contextlib.suppress(errors.TreeNotFound, errors.UploadNotFound):
                await self._threads.run_long(self._sweep, tree)

    def _begin(self, tree: str, upload: Upload, parts: int) -> None:
        if upload.path:
            self._volume.require_place(tree, upload.path)
        with self._volume.places.part(tree, places.UPLOADS, make=True) as directory:
            if partials.sweep(directory, self._clock.now().timestamp()):
                self._volume.quotas.recount(tree)
            made = _missing(self._volume, tree, upload.path) if upload.path else 0
            wanted = Amount(0 if parts else upload.size, max(made, 1) - parts)
            with self._volume.quotas.grown(tree, Amount(inodes=1), wanted):
                partials.begin(directory, upload, self._limits.uploads_max)

    def _find(self, tree: str, upload: str) -> tuple[Upload, int]:
        with self._directory(tree) as directory:
            return partials.look(directory, upload)

    def _under_way(self, tree: str) -> list[tuple[Upload, int]]:
        found = []
        with contextlib.suppress(errors.UploadNotFound), self._directory(tree) as directory:
            for upload in partials.records(directory):
                with contextlib.suppress(errors.UploadNotFound):
                    found.append(partials.look(directory, upload))
        return found

    def _enter(self, tree: str, upload: str) -> partials.Partial:
        with self._directory(tree) as directory:
            partial = partials.Partial(directory, upload)
        if partial.has_lost:
            self._volume.quotas.recount(tree)
        return partial

    def _sweep(self, tree: str) -> None:
        with self._directory(tree) as directory:
            if partials.sweep(directory, self._clock.now().timestamp()):
                self._volume.quotas.recount(tree)

    @contextlib.contextmanager
    def _directory(self, tree: str) -> Iterator[int]:
        """Give the directory of a tree's uploads. Raises `UploadNotFound` if there never was one, `TreeNotFound`."""
        with contextlib.ExitStack() as stack:
            try:
                directory = stack.enter_context(self._volume.places.part(tree, places.UPLOADS))
            except errors.TreeNotFound:
                self._volume.mount_path(tree)
                raise errors.UploadNotFound from None
            yield directory


class _Writer:
    """One upload, locked."""

    def __init__(
        self,
        volume: directories.Directories,
        threads: Threads,
        tree: str,
        partial: partials.Partial,
    ) -> None:
        self._volume = volume
        self._threads = threads
        self._tree = tree
        self.partial = partial
        self._parts = 0

    @property
    def upload(self) -> Upload:
        return self.partial.upload

    @property
    def offset(self) -> int:
        return self.partial.offset

    @property
    def finished(self) -> bool:
        return self.partial.finished

    @property
    def mark(self) -> str:
        return self.partial.mark

    async def write(self, block: ports.Block) -> None:
        await self._threads.run(self._write, block)

    async def keep(self) -> None:
        await self._threads.run(self.partial.keep)

    async def drop(self) -> None:
        await self._threads.run_long(self._recounted, self.partial.drop)

    async def join(self, parts: Sequence[ports.Writer]) -> None:
        self._parts = len(parts)
        others = [part.partial for part in parts if isinstance(part, _Writer)]
        await self._threads.run_long(self._recounted, self.partial.join, others)

    async def content(self, length: int) -> AsyncIterator[bytes]:
        offset = 0
        while offset < length:
            wanted = min(_BLOCK_BYTES, length - offset)
            block = await self._threads.run(self.partial.read, wanted, offset)
            if not block:
                raise errors.StorageUnavailable("the upload has lost bytes")
            offset += len(block)
            yield block

    async def finish(self) -> FileEntry:
        return await self._threads.run(self._finish)

    async def discard(self) -> None:
        await self._threads.run_long(self._recounted, self.partial.discard)

    def _finish(self) -> FileEntry:
        """Put the file in place; it counts already, as do its parts, but not the directories that are made for it."""
        path = self.upload.path
        with contextlib.closing(self._volume.quotas.account(self._tree)) as account:
            made = _missing(self._volume, self._tree, path)
            account.reserve(Amount(inodes=max(made - 1 - self._parts, 0)))
            return self._volume.publish(self._tree, path, self.partial, account)

    def _write(self, block: ports.Block) -> None:
        with self._volume.quotas.grown(self._tree, Amount(len(block))):
            self.partial.write(block)

    def _recounted(self, change: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Change what an upload holds. Parts that are joined lie twice on the disk until they are discarded: that is not refused."""
        try:
            change(*args, **kwargs)
        finally:
            self._volume.quotas.recount(self._tree)


def _missing(volume: directories.Directories, tree: str, path: TreePath) -> int:
    with volume.places.part(tree, places.FILES) as top:
        return places.missing(top, path)
