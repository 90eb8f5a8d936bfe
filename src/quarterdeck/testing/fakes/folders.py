"""The ports of the manager's folders without a database and without a storage-proxy."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime

import msgspec

from quarterdeck.manager.folders import errors, model
from quarterdeck.manager.identity.model import Principal
from quarterdeck.wire.folders import (
    FolderCreate,
    FolderHistoryRow,
    FolderView,
    HostAccess,
    HostPermission,
    Permission,
)
from quarterdeck.wire.states import FOLDER_TRASH, FolderStatus
from quarterdeck.wire.trees import TreeScope

HOST = model.Host("local", "proxy", "http://proxy", "http://proxy")
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class FakeFolders:
    """The ports `Creations`, `Removals`, `Looks` and `Lives`: rows in a dict, trees to be removed in another, `steps` that were made.

    `mounted` folders refuse to go into the trash; `shares` have a permission by folder and user.
    """

    def __init__(self) -> None:
        self.rows: dict[str, FolderView] = {}
        self.removals: dict[str, model.Tree] = {}
        self.mounted: set[str] = set()
        self.deleted_owners: set[str] = set()
        self.shares: dict[tuple[str, str], Permission] = {}
        self.steps: list[tuple[str, FolderStatus]] = []

    async def insert(self, folder: str, owner: str, given: FolderCreate) -> None:
        """Add a folder that is CREATING."""
        if owner in self.deleted_owners:
            raise errors.OwnerGone
        self.require_free(owner, given.name)
        self.rows[folder] = FolderView(
            id=folder,
            name=given.name,
            owner=owner,
            host=given.host,
            status=FolderStatus.CREATING,
            created_at=_EPOCH,
        )
        self.steps.append((folder, FolderStatus.CREATING))

    async def ready(self, folder: str) -> bool:
        """CREATING -> READY."""
        if folder not in self.rows or self.rows[folder].status is not FolderStatus.CREATING:
            return False
        self._set(folder, FolderStatus.READY)
        return True

    async def abandon(self, tree: model.Tree, *, perhaps_created: bool) -> None:
        """Delete a folder that is CREATING."""
        if tree.id in self.rows and self.rows[tree.id].status is FolderStatus.CREATING:
            del self.rows[tree.id]
        if perhaps_created:
            self.leave(tree)

    def leave(self, tree: model.Tree) -> None:
        """Have a tree removed, if no folder has its files in it."""
        if tree.id not in self.rows:
            self.removals[tree.id] = tree

    async def owner_lives(self, owner: str) -> bool:
        """Tell whether a user is not deleted."""
        return owner not in self.deleted_owners

    async def access(self, folder: str, user: str) -> model.Access | None:
        """Return a folder as a user sees it."""
        row = self.rows.get(folder)
        own = Permission.OWN if row is not None and row.owner == user else None
        permission = own or self.shares.get((folder, user))
        if row is None or permission is None:
            return None
        view = msgspec.structs.replace(row, permission=permission)
        return model.Access(view, frozenset(HostPermission))

    async def list(self, user: str, *, trash: bool) -> Sequence[FolderView]:
        """Return the folders of a user by name."""
        own = [row for row in self.rows.values() if row.owner == user]
        return sorted(
            (row for row in own if (row.status in FOLDER_TRASH) == trash), key=lambda row: row.name
        )

    async def history(self, folder: str, by: Principal) -> Sequence[FolderHistoryRow]:
        """Return the changes of a folder."""
        return [
            FolderHistoryRow(
                seq=at,
                folder=folder,
                from_status=None,
                to_status=status,
                cause="fake",
                actor=by.user,
                at=_EPOCH,
            )
            for at, (one, status) in enumerate(self.steps)
            if one == folder
        ]

    async def rename(self, view: FolderView, name: str, actor: str) -> None:
        """Give a folder another name."""
        row = self._row(view, FolderStatus.READY)
        self.require_free(row.owner, name)
        self.rows[view.id] = msgspec.structs.replace(row, name=name)

    async def trash(self, view: FolderView, actor: str) -> None:
        """READY -> TRASHED."""
        self._row(view, FolderStatus.READY)
        if view.id in self.mounted:
            raise errors.FolderMounted
        self._set(view.id, FolderStatus.TRASHED)

    async def restore(self, view: FolderView, actor: str) -> None:
        """TRASHED -> READY."""
        self._row(view, FolderStatus.TRASHED)
        self.require_free(view.owner, view.name)
        self._set(view.id, FolderStatus.READY)

    async def purge(self, view: FolderView, actor: str) -> model.Tree:
        """TRASHED or DELETE_ERROR -> PURGING."""
        row = self._row(view, *FOLDER_TRASH)
        self._set(view.id, FolderStatus.PURGING)
        self.removals[view.id] = model.Tree(view.id, row.host)
        return self.removals[view.id]

    async def due(self) -> Sequence[model.Tree]:
        """Return trees to be removed."""
        return list(self.removals.values())

    async def postpone(self, tree: model.Tree, why: str) -> None:
        """Note why; everything is due."""
        if tree.id in self.rows:
            self._set(tree.id, FolderStatus.DELETE_ERROR)
            self.rows[tree.id] = msgspec.structs.replace(self.rows[tree.id], detail=why)

    async def done(self, tree: model.Tree) -> None:
        """Forget a tree."""
        self.removals.pop(tree.id, None)
        if self.rows.pop(tree.id, None) is not None:
            self.steps.append((tree.id, FolderStatus.GONE))

    def _row(self, view: FolderView, *statuses: FolderStatus) -> FolderView:
        row = self.rows.get(view.id)
        if row is None or row.owner != view.owner:
            raise errors.FolderNotFound
        if row.status not in statuses:
            raise errors.FolderNotReady
        return row

    def require_free(self, owner: str, name: str) -> None:
        """Raise `FolderNameTaken` if a folder in use has the name."""
        for row in self.rows.values():
            if (row.owner, row.name) == (owner, name) and row.status not in FOLDER_TRASH:
                raise errors.FolderNameTaken

    def _set(self, folder: str, status: FolderStatus) -> None:
        self.rows[folder] = msgspec.structs.replace(self.rows[folder], status=status)
        self.steps.append((folder, status))


class FakeHosts:
    """The ports `Hosts`, `HostFinder` and `Announcements`: hosts in lists."""

    def __init__(self, known: Sequence[model.Host] = (HOST,)) -> None:
        self.known = {host.name: host for host in known}
        self.announced: list[Sequence[model.Host]] = []

    async def find(self, name: str) -> model.Host | None:
        """Return a host by name."""
        return self.known.get(name)

    async def moved(self, host: model.Host) -> model.Host | None:
        """Return where a host was announced last, if that is somewhere else."""
        found = [each for each in await self.current() if each.name == host.name]
        return found[0] if found and found[0] != host else None

    async def seen(self, hosts: Sequence[model.Host]) -> None:
        """Remember hosts."""
        self.known.update({host.name: host for host in hosts})

    async def watch(self) -> AsyncIterator[Sequence[model.Host]]:
        """Give what is announced, once each."""
        for hosts in self.announced:
            yield hosts

    async def current(self) -> Sequence[model.Host]:
        """Return what was announced last."""
        return self.announced[-1] if self.announced else []


class FakeRules:
    """The port `HostRules`: what is not written down is allowed."""

    def __init__(self) -> None:
        self.rules: dict[tuple[str, str], frozenset[HostPermission]] = {}

    async def allowed(self, host: str, role: str) -> frozenset[HostPermission]:
        """Return what a host allows to a role."""
        return self.rules.get((host, role), frozenset(HostPermission))

    async def list(self, role: str) -> Sequence[HostAccess]:
        """Return the host."""
        return [HostAccess(name="local", permissions=tuple(await self.allowed("local", role)))]

    async def allow(self, host: str, role: str, permissions: Sequence[HostPermission]) -> None:
        """Set what a host allows to a role."""
        self.rules[host, role] = frozenset(permissions)


class FakeTrees:
    """The storage-proxies: trees in a set.

    `failure` is raised by every call until it is taken away, `late` does the work all the same; `meanwhile` happens during a create.
    """

    def __init__(self) -> None:
        self.trees: set[str] = set()
        self.scopes: dict[str, str] = {}
        self.full_scopes: set[str] = set()
        self.failure: Exception | None = None
        self.late = False
        self.meanwhile: Callable[[], object] | None = None

    async def create(self, host: model.Host, tree: str, scope: str) -> None:
        """Make an empty tree."""
        if self.late:
            self.trees.add(tree)
        self._fail()
        self.trees.add(tree)
        if self.meanwhile is not None:
            self.meanwhile()

    async def remove(self, host: model.Host, tree: str) -> None:
        """Remove a tree."""
        self._fail()
        self.trees.discard(tree)

    async def clone(self, host: model.Host, clone: model.Clone) -> None:
        """Make a tree like another."""
        self._fail()
        if clone.source in self.trees:
            self.trees.add(clone.id)

    async def rescope(self, host: model.Host, tree: str, given: TreeScope) -> None:
        """Have a tree count for somebody, if it is not full for them."""
        if self.late:
            self.scopes[tree] = given.scope
        self._fail()
        if given.must_fit and given.scope in self.full_scopes:
            raise errors.QuotaExceeded
        self.scopes[tree] = given.scope

    async def source(self, host: model.Host, tree: str) -> str:
        """Return where a tree is."""
        self._fail()
        return f"/trees/{tree}"

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure
