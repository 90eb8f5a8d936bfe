"""What the storage-proxy does: trees for the manager, files for whoever holds a token. Volumes come in through `ports`."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from quarterdeck.storage_proxy import errors, ports
from quarterdeck.storage_proxy.globs import Glob
from quarterdeck.storage_proxy.model import Limits, TreePath
from quarterdeck.storage_proxy.transfers import uploads
from quarterdeck.storage_proxy.transfers.checksums import Checksum
from quarterdeck.wire.errors import Invalid
from quarterdeck.wire.folders import FileEntry, FileWritten, HostView
from quarterdeck.wire.trees import Found, QuotaLimits, QuotaView, TreeScope


@dataclass(frozen=True)
class Host:
    """A volume under the name that users choose, and what kind of volume it is."""

    name: str
    kind: str
    volume: ports.Volume


@dataclass(frozen=True)
class Tree:
    """One tree of one host: all that a token gives access to."""

    host: str
    id: str


@dataclass(frozen=True)
class Announced:
    """What a client says of a file before it sends it: its checksum, and how many bytes it has."""

    checksum: Checksum | None = None
    size: int | None = None


class StorageService:
    """Use cases over the hosts of one storage-proxy. Keeps no state of its own."""

    def __init__(self, hosts: Mapping[str, Host], limits: Limits) -> None:
        self._hosts = hosts
        self._prompt = {
            name: host.volume
            for name, host in hosts.items()
            if isinstance(host.volume, ports.Prompt)
        }
        self.limits = limits

    def hosts(self) -> list[HostView]:
        """Return all hosts, by name."""
        return [
            HostView(
                name=host.name,
                kind=host.kind,
                mountable=ports.ABILITY_MOUNT in host.volume.abilities,
                abilities=tuple(sorted(host.volume.abilities)),
            )
            for _, host in sorted(self._hosts.items())
        ]

    async def create_tree(self, tree: Tree, scope: str | None = None) -> None:
        """Make an empty tree, in a quota scope where there are some; nothing happens if it is there. Raises `HostNotFound`."""
        volume = self._volume(tree.host)
        if isinstance(volume, ports.Metered):
            await volume.create_tree(tree.id, scope)
        else:
            await volume.create_tree(tree.id)

    async def clone_tree(self, tree: Tree, clone: str, scope: str | None) -> None:
        """Make a new tree with a copy of all that is in one; nothing happens if it is there. Raises `TreeNotFound`, `QuotaExceeded` and others."""
        if clone == tree.id:
            raise Invalid("tree", "a tree cannot be a clone of itself")
        await self._volume(tree.host).clone_tree(tree.id, clone, scope)

    async def rescope(self, tree: Tree, wanted: TreeScope) -> None:
        """Let a tree be another quota scope's, where there are some. Raises `TreeNotFound`, `TurnPassed`, `QuotaExceeded`, `HostNotFound`."""
        volume = self._volume(tree.host)
        if isinstance(volume, ports.Metered):
            await volume.rescope(tree.id, wanted.scope, wanted.turn, must_fit=wanted.must_fit)

    async def limit(self, host: str, scope: str, limits: QuotaLimits) -> None:
        """Set the limits of a quota scope. Raises `QuotaUnsupported`, `HostNotFound`."""
        await self._metered(host).limit(scope, limits)

    async def quota(self, host: str, scope: str) -> QuotaView:
        """Return limits and usage of a quota scope. Raises `QuotaUnsupported`, `HostNotFound`."""
        return await self._metered(host).quota(scope)

    async def delete_tree(self, tree: Tree) -> None:
        """Remove a tree with all in it; nothing happens if it is gone. Raises `HostNotFound`."""
        await self._volume(tree.host).delete_tree(tree.id)

    async def mount_path(self, tree: Tree) -> str:
        """Return the directory to mount. Raises `HostNotMountable`, `HostNotFound`, `TreeNotFound`."""
        volume = self._volume(tree.host)
        if not isinstance(volume, ports.Mountable):
            raise errors.HostNotMountable(f"the host {tree.host!r} cannot be mounted")
        return await volume.mount_path(tree.id)

    async def entries(self, tree: Tree, path: TreePath, *, recursive: bool) -> list[FileEntry]:
        """List a directory of a tree, or one file. Raises `FileNotFound`, `TooManyEntries` and others."""
        return await self._volume(tree.host).entries(tree.id, path, recursive=recursive)

    async def upload(
        self,
        tree: Tree,
        path: TreePath,
        blocks: AsyncIterator[ports.Block],
        announced: Announced,
    ) -> FileWritten:
        """Take in a file. Raises `ChecksumMismatch`, `StorageFull` and others; then nothing of it is left."""
        content = uploads.Checked(blocks, announced.checksum, self.limits.file_bytes_max)
        async with contextlib.aclosing(content.blocks()) as checked:
            entry = await self._volume(tree.host).put(tree.id, path, checked, announced.size)
        return FileWritten(
            entry,
            sha256=content.checksum if content.algorithm == "sha256" else None,
            crc32=content.checksum if content.algorithm == "crc32" else None,
        )

    def open(self, tree: Tree, path: TreePath) -> AbstractAsyncContextManager[ports.Source]:
        """Open a file for reading. Raises `FileNotFound`, `IsDirectory` and others."""
        return self._volume(tree.host).open(tree.id, path)

    def prompt(self, tree: Tree) -> ports.Prompt | None:
        """Return the volume of a tree if it takes and gives small files at once."""
        return self._prompt.get(tree.host)

    async def delete(self, tree: Tree, path: TreePath) -> None:
        """Remove a file, or a directory with all in it. Raises `FileNotFound`."""
        await self._volume(tree.host).delete(tree.id, path)

    def uploads(self, tree: Tree) -> ports.Uploads:
        """Return the uploads in pieces of a tree's host. Raises `UploadsUnsupported`, `HostNotFound`."""
        volume = self._volume(tree.host)
        if not isinstance(volume, ports.Resumable):
            raise errors.UploadsUnsupported(f"the host {tree.host!r} takes whole files only")
        return volume.uploads

    async def sweep(self) -> None:
        """Forget the uploads in pieces that have expired, on every host."""
        for host in self._hosts.values():
            if isinstance(host.volume, ports.Resumable):
                await host.volume.uploads.sweep()

    async def stat(self, tree: Tree, path: TreePath) -> FileEntry:
        """Tell what is at a path. Raises `FileNotFound`."""
        return await self._volume(tree.host).stat(tree.id, path)

    async def mkdir(self, tree: Tree, path: TreePath) -> FileEntry:
        """Make a directory and those above it; nothing happens if it is there. Raises `NotDirectory`."""
        return await self._volume(tree.host).mkdir(tree.id, path)

    async def move(self, tree: Tree, source: TreePath, target: TreePath) -> FileEntry:
        """Give a file or directory another path. Raises `FileNotFound`, `PathTaken`."""
        return await self._volume(tree.host).move(tree.id, source, target)

    async def copy(self, tree: Tree, source: TreePath, target: TreePath) -> FileEntry:
        """Copy a file, or a directory with all in it. Raises `FileNotFound`, `PathTaken`, `QuotaExceeded` and others."""
        return await self._volume(tree.host).copy(tree.id, source, target)

    async def search(self, tree: Tree, path: TreePath, glob: Glob, limit: int) -> Found:
        """Find what matches below a directory. Raises `FileNotFound`, `TooManyEntries`."""
        return await self._volume(tree.host).search(tree.id, path, glob, limit)

    def _metered(self, host: str) -> ports.Metered:
        volume = self._volume(host)
        if not isinstance(volume, ports.Metered):
            raise errors.QuotaUnsupported(f"the host {host!r} has no quotas", field="host")
        return volume

    def _volume(self, name: str) -> ports.Volume:
        if (host := self._hosts.get(name)) is None:
            raise errors.HostNotFound(f"there is no storage host {name!r}", field="host")
        return host.volume
