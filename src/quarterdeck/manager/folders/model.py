"""What folders are made of: storage hosts, trees, who may do what, and the token that a grant carries. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec import structs

from quarterdeck.manager.folders import errors
from quarterdeck.wire import folders, tokens

FOR_RIGHT = {
    folders.Right.READ: (folders.Permission.READ, folders.HostPermission.DOWNLOAD),
    folders.Right.WRITE: (folders.Permission.WRITE, folders.HostPermission.UPLOAD),
}
"""What a token with a right takes, of the folder and of its storage host."""


@dataclass(frozen=True, slots=True)
class Host:
    """A storage host and where the storage-proxy that serves it was last seen."""

    name: str
    proxy: str
    manager_url: str
    client_url: str


@dataclass(frozen=True, slots=True)
class Tree:
    """A file tree on a storage host; it has the id of its folder."""

    id: str
    host: str


@dataclass(frozen=True, slots=True)
class Clone:
    """A folder that gets the files of another one, on the same storage host, in a quota scope; who makes it has a claim."""

    id: str
    source: str
    host: str
    scope: str
    claim: str = ""

    @property
    def tree(self) -> Tree:
        """The tree that comes to be."""
        return Tree(self.id, self.host)


@dataclass(frozen=True, slots=True)
class Rescope:
    """A tree that shall count for a quota scope, and in which turn that is said."""

    tree: Tree
    scope: str
    turn: int


@dataclass(frozen=True, slots=True)
class Access:
    """A folder, and what its storage host allows to whoever asks; what the folder allows is in the view."""

    view: folders.FolderView
    host_allows: frozenset[folders.HostPermission]

    def require(
        self,
        permission: folders.Permission,
        of_host: folders.HostPermission | None = None,
        *,
        field: str | None = None,
    ) -> folders.FolderView:
        """Return the folder if this much is allowed. Raises `PermissionMissing`, `HostForbids`."""
        if not self.view.permission.covers(permission):
            raise errors.PermissionMissing(
                f"The folder {self.view.name!r} is shared with you to {self.view.permission} only",
                field=field,
            )
        if of_host is not None:
            require_host(self.view.host, self.host_allows, of_host)
        return self.view


def require_host(
    host: str,
    allowed: frozenset[folders.HostPermission],
    wanted: folders.HostPermission,
) -> None:
    """Raise `HostForbids` unless a storage host allows this."""
    if wanted not in allowed:
        raise errors.HostForbids(f"The storage host {host!r} does not allow you to {wanted}")


def require_status(view: folders.FolderView, *wanted: folders.FolderStatus) -> None:
    """Raise `FolderNotReady` unless the folder is in one of these states."""
    if view.status not in wanted:
        raise errors.FolderNotReady(f"The folder {view.name!r} is {view.status}")


def grant(
    host: Host,
    view: folders.FolderView,
    right: folders.Right,
    *,
    user: str,
    now: datetime,
    key: str,
) -> folders.StorageGrant:
    """Return access for a user to one folder with one right until one deadline, which is near if the folder is only shared with them."""
    own = view.permission.covers(folders.Permission.OWN)
    seconds = tokens.TOKEN_SECONDS if own else tokens.SHARED_SECONDS
    expires_at = (now + timedelta(seconds=seconds)).replace(microsecond=0)
    token = tokens.StorageToken(
        host=view.host, tree=view.id, right=right, exp=int(expires_at.timestamp()), user=user
    )
    return folders.StorageGrant(host.client_url, tokens.sign(token, key), expires_at, seconds)


def shared_tokens_end(now: datetime) -> datetime:
    """Return when the last token ends that was given for a share that has just ended."""
    return now + timedelta(seconds=tokens.SHARED_SECONDS)


def usable(*, writing: bool) -> tuple[folders.FolderStatus, ...]:
    """Return the states in which files are used: while they are being cloned nobody begins to write."""
    ready = (folders.FolderStatus.READY,)
    return ready if writing else (*ready, folders.FolderStatus.CLONING)


def gone(view: folders.FolderView) -> folders.FolderView:
    """Return a folder as it is when nothing of it is left."""
    return structs.replace(view, status=folders.FolderStatus.GONE, detail=None)
