"""Folders in the SDK: creating and finding them, and the handle of one with its files."""

from pathlib import Path

import msgspec

from quarterdeck.client import api, files, procedures, request
from quarterdeck.client.request import Grant
from quarterdeck.client.transport_async import Transport
from quarterdeck.wire import decode
from quarterdeck.wire.folders import FileEntry, FolderView, Right, StorageGrant
from quarterdeck.wire.items import Items
from quarterdeck.wire.trees import Found


class Folders:
    """One's own folders."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(self, name: str, *, host: str | None = None) -> "Folder":
        """Make a folder, on a storage host, and return its handle."""
        view = await self._transport.call(api.create_folder(name, host), FolderView)
        return Folder(self._transport, view)

    async def list(self) -> "list[FolderView]":
        """Return all folders."""
        return (await self._transport.call(api.list_folders(), Items[FolderView])).items

    async def get(self, given: str) -> "Folder":
        """Return the handle of a folder by id or name. Raises `Refused`, `NotFound`."""
        found = await self._transport.run(procedures.find_folder(given))
        return Folder(self._transport, msgspec.convert(found, FolderView))


class Folder:
    """A folder. `view` is what was last seen of it."""

    def __init__(self, transport: Transport, view: FolderView) -> None:
        self._transport = transport
        self.view = view

    def __repr__(self) -> str:
        return f"Folder({self.id!r}, {self.view.name!r})"

    @property
    def id(self) -> str:
        """The folder's id."""
        return self.view.id

    async def grant(self, right: Right | str) -> StorageGrant:
        """Get access to the files: read, or write with read."""
        return await self._transport.call(api.grant(self.id, right), StorageGrant)

    async def upload(self, local: Path | str, remote: str | None = None) -> list[FileEntry]:
        """Copy a file, or a directory with all in it, into the folder; checksums are compared.

        `remote` is the path it gets there: None its own name, one that ends in `/` a directory that takes it. Raises `FileUnusable`,
        `ContentDiffers`, `Refused`.
        """
        grant = await self._access(Right.WRITE)
        copies = files.uploads(Path(local), remote)
        entries = [await self._transport.upload(grant, copy) for copy in copies]
        return [msgspec.convert(entry, FileEntry) for entry in entries]

    async def download(self, remote: str, local: Path | str) -> int:
        """Copy a file, or a directory with all in it, out of the folder, and return the number of bytes.

        A local directory takes it under its name, as with `cp -r`. Raises `FileUnusable`, `Refused`.
        """
        grant = await self._access(Right.READ)
        listed = await self._transport.send(files.ls(grant, remote.strip("/"), recursive=True))
        copies = files.downloads(remote, Path(local), request.loads(listed)["items"])
        return sum([await self._transport.download(grant, copy) for copy in copies])

    async def list(self, remote: str = "", *, recursive: bool = False) -> "list[FileEntry]":
        """Return what is below a path, directly or at any depth. The path may name a file: then that."""
        wanted = files.ls(await self._access(Right.READ), remote.strip("/"), recursive=recursive)
        return decode.decode(Items[FileEntry], await self._transport.send(wanted)).items

    async def stat(self, remote: str) -> FileEntry:
        """Return what is at a path. Raises `Refused`."""
        wanted = files.stat(await self._access(Right.READ), remote.strip("/"))
        return decode.decode(FileEntry, await self._transport.send(wanted))

    async def search(self, pattern: str, remote: str = "", *, limit: int | None = None) -> Found:
        """Find names that match a pattern at any depth below a path, or, if it has a slash, paths; `**` is any number of directories."""
        access = await self._access(Right.READ)
        wanted = files.search(access, pattern, remote.strip("/"), limit)
        return decode.decode(Found, await self._transport.send(wanted))

    async def mkdir(self, remote: str) -> FileEntry:
        """Make a directory and those above it. Raises `Refused`."""
        wanted = files.mkdir(await self._access(Right.WRITE), remote.strip("/"))
        return decode.decode(FileEntry, await self._transport.send(wanted))

    async def move(self, source: str, target: str) -> FileEntry:
        """Give a file or directory another path; nothing may be there. Raises `Refused`."""
        access = await self._access(Right.WRITE)
        wanted = files.move(access, source.strip("/"), target.strip("/"))
        return decode.decode(FileEntry, await self._transport.send(wanted))

    async def copy(self, source: str, target: str) -> FileEntry:
        """Copy a file, or a directory with all in it; nothing may be at the target. Raises `Refused`."""
        access = await self._access(Right.WRITE)
        wanted = files.copy(access, source.strip("/"), target.strip("/"))
        return decode.decode(FileEntry, await self._transport.send(wanted))

    async def remove(self, remote: str) -> None:
        """Delete a file in the folder."""
        await self._transport.send(files.delete(await self._access(Right.WRITE), remote))

    async def delete(self) -> None:
        """Delete the folder with all in it. Raises `Refused` while a live session mounts it."""
        await self._transport.raw(api.delete_folder(self.id))

    async def _access(self, right: Right) -> Grant:
        granted = await self.grant(right)
        return Grant(granted.url, granted.token)
