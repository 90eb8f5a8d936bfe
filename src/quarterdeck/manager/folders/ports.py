"""What folders need of the world: their stores, the storage-proxies, and what these announce about themselves."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from quarterdeck.manager.folders import model
from quarterdeck.manager.identity.model import Principal
from quarterdeck.wire import folders, trees


class Creations(Protocol):
    """Folders that come to be. One that is given up leaves its tree to `Removals`."""

    async def insert(self, folder: str, owner: str, given: folders.FolderCreate) -> None:
        """Add a folder that is CREATING. Raises `FolderNameTaken`, `OwnerGone`."""
        ...

    async def ready(self, folder: str) -> bool:
        """CREATING -> READY; False: it is gone."""
        ...

    async def abandon(self, tree: model.Tree, *, perhaps_created: bool) -> None:
        """Delete a folder that is CREATING, if it is there yet; its tree is left to `Removals` if it may exist and has no folder."""
        ...

    async def owner_lives(self, owner: str) -> bool:
        """Tell whether a user is there and not deleted."""
        ...


class Looks(Protocol):
    """What users see of folders."""

    async def access(self, folder: str, user: str) -> model.Access | None:
        """Return a folder as a user sees it; None: it does not exist for them."""
        ...

    async def list(self, user: str, *, trash: bool) -> Sequence[folders.FolderView]:
        """Return folders of a user and those shared with them by name, or those of the user in the trash."""
        ...

    async def history(self, folder: str, by: Principal) -> Sequence[folders.FolderHistoryRow]:
        """Return the changes of a folder, also of one that is gone; nothing if it does not exist for the user."""
        ...


class Lives(Protocol):
    """Folders that change. Each call raises `FolderNotFound`, `FolderNotReady` if the state does not allow it; `actor` is who wants it."""

    async def rename(self, view: folders.FolderView, name: str, actor: str) -> None:
        """Give a folder another name. Raises `FolderNameTaken`."""
        ...

    async def trash(self, view: folders.FolderView, actor: str) -> None:
        """READY -> TRASHED. Raises `FolderMounted`."""
        ...

    async def restore(self, view: folders.FolderView, actor: str) -> None:
        """TRASHED -> READY. Raises `FolderNameTaken`."""
        ...

    async def purge(self, view: folders.FolderView, actor: str) -> model.Tree:
        """TRASHED or DELETE_ERROR -> PURGING; the tree is left to `Removals`."""
        ...


class Transfers(Protocol):
    """Folders that change owners, and trees that may count for somebody else than the owner until that is done."""

    async def begin(self, view: folders.FolderView, owner: str) -> model.Rescope:
        """Take the tree of a folder in hand that may be given to a user. Raises `FolderNotFound`, `FolderNotReady`, `FolderMounted`,
        `FolderNameTaken`, `OwnerGone`.
        """
        ...

    async def finish(
        self, view: folders.FolderView, rescope: model.Rescope, actor: str
    ) -> folders.FolderView:
        """Give the folder to the user, whose share of it ends; return it as it is then.

        Raises as `begin` does, and `TransferGivenUp` when somebody else has the tree in hand.
        """
        ...

    async def end(self, rescope: model.Rescope) -> None:
        """Let go of a tree that counts for whose folder it is."""
        ...

    async def release(self, rescope: model.Rescope) -> None:
        """Let go of a tree of which nobody knows for whom it counts: it is due at once."""
        ...

    async def due(self) -> Sequence[model.Rescope]:
        """Take in hand the trees that were left, for the owners of their folders."""
        ...

    async def postpone(self, rescope: model.Rescope) -> None:
        """Let a tree be due again later, the later the longer it has waited already."""
        ...


class Clones(Protocol):
    """Folders that get the files of others, which are CLONING meanwhile."""

    async def begin(
        self, clone: model.Clone, source: folders.FolderView, owner: str, name: str
    ) -> None:
        """Add a folder that is CREATING; its source becomes CLONING. Raises `FolderNotReady`, `FolderMounted`, `FolderNameTaken`, `OwnerGone`."""
        ...

    async def claim(self) -> model.Clone | None:
        """Take the oldest clone that nobody has in hand."""
        ...

    async def hold(self, clone: model.Clone) -> bool:
        """Keep a claim; False: another one has taken its place. A clone that is gone is nobody else's."""
        ...

    async def finish(self, clone: model.Clone) -> bool:
        """Both become READY; False: the clone is another claim's, or gone: then its tree is left to `Removals`."""
        ...

    async def abandon(self, clone: model.Clone, *, may_come: bool) -> None:
        """The clone is gone, its source READY, a tree that may exist is left to `Removals`, as long as it may still come; unless another
        claim has taken the place of this one.
        """
        ...


class Shares(Protocol):
    """Invitations to folders; those that are accepted are shares."""

    async def find_user(self, user: str) -> str | None:
        """Return the id of a user by name or id."""
        ...

    async def invite(
        self, id_: str, view: folders.FolderView, inviter: str, given: tuple[str, str]
    ) -> None:
        """Add an invitation of a user to a permission. Raises `InvitationExists`, `TooManyInvitations`, `FolderNotFound`, `FolderNotReady`."""
        ...

    async def view(self, invitation: str, by: Principal) -> folders.InvitationView | None:
        """Return an invitation for who owns the folder or is invited; None for others."""
        ...

    async def of_folder(self, folder: str) -> Sequence[folders.InvitationView]:
        """Return the open invitations to a folder and its shares."""
        ...

    async def of_user(self, user: str) -> Sequence[folders.InvitationView]:
        """Return what a user is invited to, and what they have accepted."""
        ...

    async def answer(self, invitation: str, user: str, *, accept: bool) -> bool:
        """Accept or reject an open invitation of the user; False: there is none."""
        ...

    async def end(
        self, invitation: str, by: Principal
    ) -> Sequence[folders.MountingSession] | None:
        """End an invitation or share, from either side; return the sessions that go on with a mount; None: there is none that lives."""
        ...


class Removals(Protocol):
    """Trees that have no folder any more, or one that is PURGING."""

    async def due(self) -> Sequence[model.Tree]:
        """Return trees to be removed now; folders whose creation was given up long ago become such trees first."""
        ...

    async def postpone(self, tree: model.Tree, why: str) -> None:
        """Let a tree be due again later, the later the longer it has waited already; its folder is in DELETE_ERROR until then."""
        ...

    async def done(self, tree: model.Tree) -> None:
        """Forget a tree, unless it may still come: it is removed, and with it its folder."""
        ...


class Hosts(Protocol):
    """The storage hosts that were ever announced."""

    async def find(self, name: str) -> model.Host | None:
        """Return a host by name."""
        ...

    async def seen(self, hosts: Sequence[model.Host]) -> None:
        """Remember where hosts are served now."""
        ...


class HostRules(Protocol):
    """What storage hosts allow to roles."""

    async def allowed(self, host: str, role: str) -> frozenset[folders.HostPermission]:
        """Return what a host allows to a role."""
        ...

    async def list(self, role: str) -> Sequence[folders.HostAccess]:
        """Return all hosts by name with what they allow to a role."""
        ...

    async def allow(
        self, host: str, role: str, permissions: Sequence[folders.HostPermission]
    ) -> None:
        """Set what a host allows to a role."""
        ...


class Trees(Protocol):
    """The storage-proxies. Each call raises `StorageUnreachable`, `StorageUnsure`, `StorageRefused`."""

    async def create(self, host: model.Host, tree: str, scope: str) -> None:
        """Make an empty tree in a quota scope; nothing happens if it is there. Raises `HostNotFound` too."""
        ...

    async def remove(self, host: model.Host, tree: str) -> None:
        """Remove a tree and all in it; nothing happens if it is not there."""
        ...

    async def rescope(self, host: model.Host, tree: str, given: trees.TreeScope) -> None:
        """Have a tree count for a quota scope, unless a later turn has said another. Raises `TreeMissing` too."""
        ...

    async def source(self, host: model.Host, tree: str) -> str:
        """Return where a tree is mounted on the agents. Raises `HostNotMountable` too."""
        ...

    async def clone(self, host: model.Host, clone: model.Clone) -> None:
        """Make a tree with a copy of all that is in another; nothing happens if it is there."""
        ...


class Meters(Protocol):
    """The storage-proxies as those who count what a quota scope, a user's, holds. Each call raises `StorageFailure`."""

    async def quota(self, host: model.Host, scope: str) -> trees.QuotaView:
        """Return limits and usage of a quota scope."""
        ...

    async def limit(self, host: model.Host, scope: str, limits: trees.QuotaLimits) -> None:
        """Set how much the trees of a quota scope may hold."""
        ...


class Announcements(Protocol):
    """What storage-proxies announce."""

    def watch(self) -> AsyncIterator[Sequence[model.Host]]:
        """Give all hosts that are announced, now and after each change."""
        ...

    async def current(self) -> Sequence[model.Host]:
        """Return all hosts that are announced as it is now. Raises `RegistryAway`."""
        ...


class HostFinder(Protocol):
    """Whoever finds storage hosts."""

    async def find(self, name: str) -> model.Host | None:
        """Return a host by name, even if it was announced only a moment ago. Raises `RegistryAway`."""
        ...

    async def moved(self, host: model.Host) -> model.Host | None:
        """Return where a host is by now if that is somewhere else. Raises `RegistryAway`."""
        ...
