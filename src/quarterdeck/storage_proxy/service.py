"""What the storage-proxy does: trees for the manager, files for whoever holds a token. Volumes come in through `ports`."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from quarterdeck.storage_proxy import errors, ports
from quarterdeck.storage_proxy.model import Limits, TreePath
from quarterdeck.storage_proxy.transfers import uploads
from quarterdeck.wire.folders import FileEntry, FileWritten, HostView


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


class StorageService:
    """Use cases over the hosts of one storage-proxy. Keeps no state of its own."""

    def __init__(self, hosts: Mapping[str, Host], limits: Limits) -> None:
        self._hosts = hosts
        self.limits = limits

    def hosts(self) -> list[HostView]:
        """Return all hosts, by name."""
        return [
            HostView(
                name=host.name,
                kind=host.kind,
                mountable=ports.ABILITY_MOUNT in host.volume.abilities,
            )
            for _, host in sorted(self._hosts.items())
        ]

    async def create_tree(self, tree: Tree) -> None:
        """Make an empty tree; nothing happens if it is there. Raises `HostNotFound`."""
        await self._volume(tree).create_tree(tree.id)

    async def delete_tree(self, tree: Tree) -> None:
        """Remove a tree with all in it; nothing happens if it is gone. Raises `HostNotFound`."""
        await self._volume(tree).delete_tree(tree.id)

    async def mount_path(self, tree: Tree) -> str:
        """Return the directory to mount. Raises `HostNotMountable`, `HostNotFound`, `TreeNotFound`."""
        volume = self._volume(tree)
        if not isinstance(volume, ports.Mountable):
            raise errors.HostNotMountable(f"the host {tree.host!r} cannot be mounted")
        return await volume.mount_path(tree.id)

    async def entries(self, tree: Tree, path: TreePath, *, recursive: bool) -> list[FileEntry]:
        """List a directory of a tree, or one file. Raises `FileNotFound`, `TooManyEntries` and others."""
        return await self._volume(tree).entries(tree.id, path, recursive=recursive)

    async def upload(
        self, tree: Tree, path: TreePath, blocks: AsyncIterator[bytes], announced: str | None
    ) -> FileWritten:
        """Take in a file. Raises `ChecksumMismatch`, `StorageFull` and others; then nothing of it is left."""
        content = uploads.Checked(blocks, announced, self.limits.file_bytes_max)
        async with contextlib.aclosing(content.blocks()) as checked:
            entry = await self._volume(tree).put(tree.id, path, checked)
        return FileWritten(entry=entry, sha256=content.sha256)

    def open(self, tree: Tree, path: TreePath) -> AbstractAsyncContextManager[ports.Source]:
        """Open a file for reading. Raises `FileNotFound`, `IsDirectory` and others."""
        return self._volume(tree).open(tree.id, path)

    async def delete(self, tree: Tree, path: TreePath) -> None:
        """Remove a file, or a directory with all in it. Raises `FileNotFound`."""
        await self._volume(tree).delete(tree.id, path)

    def uploads(self, tree: Tree) -> ports.Uploads:
        """Return the uploads in pieces of a tree's host. Raises `UploadsUnsupported`, `HostNotFound`."""
        volume = self._volume(tree)
        if not isinstance(volume, ports.Resumable):
            raise errors.UploadsUnsupported(f"the host {tree.host!r} takes whole files only")
        return volume.uploads

    async def sweep(self) -> None:
        """Forget the uploads in pieces that have expired, on every host."""
        for host in self._hosts.values():
            if isinstance(host.volume, ports.Resumable):
                await host.volume.uploads.sweep()

    def _volume(self, tree: Tree) -> ports.Volume:
        if (host := self._hosts.get(tree.host)) is None:
            raise errors.HostNotFound(f"there is no storage host {tree.host!r}", field="host")
        return host.volume
