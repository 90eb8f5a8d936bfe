"""Folders in the SDK: creating, finding and sharing them, and the handle of one with its files."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from quarterdeck.client import api_folders as api
from quarterdeck.client import files, lasting, procedures, request, typed
from quarterdeck.client.request import Grant
from quarterdeck.client.transport_async import Transport
from quarterdeck.wire.folders import (
    FileEntry,
    FolderHistoryRow,
    FolderView,
    HostAccess,
    InvitationView,
    Right,
    StorageGrant,
)
from quarterdeck.wire.items import Items
from quarterdeck.wire.trees import Found, QuotaView

T = TypeVar("T")


class Folders:
    """One's own folders, and those shared with one."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(self, name: str, *, host: str | None = None) -> "Folder":
        """Make a folder, on a storage host, and return its handle."""
        view = await self._transport.call(api.create_folder(name, host), FolderView)
        return Folder(self._transport, view)

    async def list(self, *, trash: bool = False) -> "list[FolderView]":
        """Return all folders, those shared with one too; or those in the trash."""
        wanted = api.list_folders(trash=trash)
        return (await self._transport.call(wanted, Items[FolderView])).items

    async def get(self, given: str) -> "Folder":
        """Return the handle of a folder by id or name. Raises `Refused`, `NotFound`."""
        found = await self._transport.run(procedures.find_folder(given))
        return Folder(self._transport, typed.convert(found, FolderView))

    async def invitations(self) -> Sequence[InvitationView]:
        """Return what one is invited to, and has accepted."""
        return (await self._transport.call(api.list_invitations(), Items[InvitationView])).items

    async def accept(self, invitation: str) -> "Folder":
        """Accept an invitation; return the folder. Raises `Refused`."""
        accepted = await self._transport.call(api.accept_invitation(invitation), InvitationView)
        return await self.get(accepted.folder)

    async def reject(self, invitation: str) -> InvitationView:
        """Reject an invitation. Raises `Refused`."""
        return await self._transport.call(api.reject_invitation(invitation), InvitationView)

    async def end(self, invitation: str) -> InvitationView:
        """Cancel or revoke an invitation to one's own folder, or leave a folder that is shared with one. Raises `Refused`."""
        return await self._transport.call(api.end_invitation(invitation), InvitationView)

    async def hosts(self) -> Sequence[HostAccess]:
        """Return the storage hosts and what they allow to one."""
        return (await self._transport.call(api.list_hosts(), Items[HostAccess])).items

    async def quota(self, user: str, host: str = "local") -> QuotaView:
        """Return how much the folders of a user may hold on a storage host, and hold. Raises `Refused`."""
        return await self._transport.call(api.get_quota(host, user), QuotaView)

    async def limit(
        self, user: str, host: str = "local", *, size: int | None = None, inodes: int | None = None
    ) -> QuotaView:
        """Limit the folders of a user, to bytes and to files with directories; None: no limit. Raises `Refused` unless one is an administrator."""
        wanted = api.set_quota(host, user, size=size, inodes=inodes)
        return await self._transport.call(wanted, QuotaView)

    async def allow(self, host: str, role: str, permissions: Sequence[str]) -> None:
        """Have a storage host allow this to a role and nothing else. Raises `Refused` unless one is an administrator."""
        await self._transport.raw(api.allow_on_host(host, role, permissions))


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

    def mount(self, subpath: str | None = None, *, read_only: bool = False) -> dict[str, object]:
        """Return how a session mounts the folder, or a directory in it."""
        where = {"folder": self.id, "subpath": subpath, "read_only": read_only}
        return {name: value for name, value in where.items() if value}

    async def grant(self, right: Right | str) -> StorageGrant:
        """Get access to the files: read, or write with read."""
        return await self._transport.call(api.grant(self.id, right), StorageGrant)

    async def upload(
        self, local: Path | str, remote: str | None = None, *, parts: int = 1
    ) -> Sequence[FileEntry]:
        """Copy a file, or a directory with all files in it, into the folder; checksums are compared. Links are not followed: see `leftovers.here`.

        `remote` is the path it gets there: None its own name, one that ends in `/` a directory that takes it. A large file goes in pieces and
        survives broken connections; with `parts`, so many at the same time. Raises `FileUnusable`, `ContentDiffers`, `Refused`.
        """

        async def send(grant: Grant, copy: files.Copy) -> dict[str, Any]:
            if parts > 1:
                return await self._transport.upload_parts(grant, copy, parts)
            return await self._transport.upload(grant, copy)

        entries = await self._each(Right.WRITE, files.uploads(Path(local), remote), send)
        return [typed.convert(entry, FileEntry) for entry in entries]

    async def download(self, remote: str, local: Path | str) -> int:
        """Copy a file, or a directory with all in it, out of the folder, and return the number of bytes.

        A local directory takes it under its name, as with `cp -r`. Raises `FileUnusable`, `Refused`.
        """
        grant = await self._access(Right.READ)
        listed = await self._transport.send(files.ls(grant, remote.strip("/"), recursive=True))
        copies = files.downloads(remote, Path(local), request.answer("GET", listed)["items"])
        return sum(await self._each(Right.READ, copies, self._transport.download))

    async def list(self, remote: str = "", *, recursive: bool = False) -> "list[FileEntry]":
        """Return what is below a path, directly or at any depth. The path may name a file: then that."""
        wanted = files.ls(await self._access(Right.READ), remote.strip("/"), recursive=recursive)
        return typed.read(
            wanted.method, Items[FileEntry], await self._transport.send(wanted)
        ).items

    async def stat(self, remote: str) -> FileEntry:
        """Return what is at a path. Raises `Refused`."""
        wanted = files.stat(await self._access(Right.READ), remote.strip("/"))
        return typed.read(wanted.method, FileEntry, await self._transport.send(wanted))

    async def search(self, pattern: str, remote: str = "", *, limit: int | None = None) -> Found:
        """Find names that match a pattern at any depth below a path, or, if it has a slash, paths; `**` is any number of directories."""
        access = await self._access(Right.READ)
        wanted = files.search(access, pattern, remote.strip("/"), limit)
        return typed.read(wanted.method, Found, await self._transport.send(wanted))

    async def mkdir(self, remote: str) -> FileEntry:
        """Make a directory and those above it. Raises `Refused`."""
        wanted = files.mkdir(await self._access(Right.WRITE), remote.strip("/"))
        return typed.read(wanted.method, FileEntry, await self._transport.send(wanted))

    async def move(self, source: str, target: str) -> FileEntry:
        """Give a file or directory another path; nothing may be there. Raises `Refused`."""
        access = await self._access(Right.WRITE)
        wanted = files.move(access, source.strip("/"), target.strip("/"))
        return typed.read(wanted.method, FileEntry, await self._transport.send(wanted))

    async def copy(self, source: str, target: str) -> FileEntry:
        """Copy a file, or a directory with all in it; nothing may be at the target. Raises `Refused`."""
        access = await self._access(Right.WRITE)
        wanted = files.copy(access, source.strip("/"), target.strip("/"))
        return typed.read(wanted.method, FileEntry, await self._transport.send(wanted))

    async def remove(self, remote: str) -> None:
        """Delete a file in the folder."""
        await self._transport.send(files.delete(await self._access(Right.WRITE), remote))

    async def refresh(self) -> FolderView:
        """Look again."""
        return await self._changed(api.get_folder(self.id))

    async def rename(self, name: str) -> FolderView:
        """Give the folder another name. Raises `Refused`."""
        return await self._changed(api.rename_folder(self.id, name))

    async def clone(self, name: str) -> "Folder":
        """Make a folder of one's own with the same files; a large one may be CREATING yet. Raises `Refused`."""
        made = await self._transport.call(api.clone_folder(self.id, name), FolderView)
        return Folder(self._transport, made)

    async def trash(self) -> FolderView:
        """Put the folder into the trash. Raises `Refused` while a live session mounts it."""
        return await self._changed(api.delete_folder(self.id))

    async def restore(self) -> FolderView:
        """Take the folder out of the trash. Raises `Refused`."""
        return await self._changed(api.restore_folder(self.id))

    async def purge(self) -> FolderView:
        """Remove the folder for good, which is in the trash; it is GONE, or in DELETE_ERROR until its storage can. Raises `Refused`."""
        return await self._changed(api.purge_folder(self.id))

    async def delete(self) -> None:
        """Delete the folder for good with all in it. Raises `Refused` while a live session mounts it."""
        await self._changed(api.delete_folder(self.id, purge=True))

    async def transfer(self, user: str) -> FolderView:
        """Give the folder to another user. Raises `Refused`."""
        return await self._changed(api.transfer_folder(self.id, user))

    async def history(self) -> Sequence[FolderHistoryRow]:
        """Return what has become of the folder, even if it is gone."""
        wanted = api.folder_history(self.id)
        return (await self._transport.call(wanted, Items[FolderHistoryRow])).items

    async def invite(self, user: str, permission: str = "read") -> InvitationView:
        """Invite a user, by name or id, to read, write or delete. Raises `Refused`."""
        return await self._transport.call(api.invite(self.id, user, permission), InvitationView)

    async def invitations(self) -> Sequence[InvitationView]:
        """Return who is invited, and who has accepted."""
        wanted = api.invitations_of(self.id)
        return (await self._transport.call(wanted, Items[InvitationView])).items

    async def _changed(self, wanted: request.Request) -> FolderView:
        self.view = await self._transport.call(wanted, FolderView)
        return self.view

    async def _each(
        self,
        right: Right,
        copies: Iterable[files.Copy],
        do: Callable[[Grant, files.Copy], Awaitable[T]],
    ) -> Sequence[T]:
        grants = lasting.Grants(lambda: self._access(right), self._transport.clock)
        return await lasting.each(grants, copies, do)

    async def _access(self, right: Right) -> Grant:
        granted = await self.grant(right)
        return Grant(granted.url, granted.token, granted.seconds)
