"""What folders should be, in memory: each act says by which code it is refused, or None and does it. Pure.

`tests/integration/storage/test_folder_model.py` compares it with the platform, step by step.
"""

from dataclasses import dataclass, field

from quarterdeck.wire.folders import Permission
from quarterdeck.wire.states import FolderStatus

NOT_FOUND, DENIED, ILLEGAL = "folder-not-found", "folder-permission-missing", "illegal-transition"
TAKEN, FILE_NOT_FOUND, PATH_TAKEN = "folder-name-taken", "file-not-found", "path-taken"


@dataclass
class ModelFolder:
    """A folder; `shares` are permissions by user, `invited` those not accepted yet."""

    owner: str
    name: str
    status: FolderStatus = FolderStatus.READY
    files: dict[str, bytes] = field(default_factory=dict)
    shares: dict[str, Permission] = field(default_factory=dict)
    invited: dict[str, Permission] = field(default_factory=dict)

    def permission(self, user: str) -> Permission | None:
        """Return what a user may do with it."""
        return Permission.OWN if user == self.owner else self.shares.get(user)

    @property
    def ready(self) -> bool:
        """Whether it is in use."""
        return self.status is FolderStatus.READY


class FolderModel:
    """All folders by id, those that are gone as well."""

    def __init__(self) -> None:
        self.folders: dict[str, ModelFolder] = {}

    def listed(self, user: str, *, trash: bool) -> dict[str, tuple[str, str]]:
        """Return name and permission, by id, of what a user's list shows."""
        wanted = FolderStatus.TRASHED if trash else FolderStatus.READY
        return {
            id_: (folder.name, permission.value)
            for id_, folder in self.folders.items()
            if folder.status is wanted and (permission := folder.permission(user)) is not None
            if not trash or permission is Permission.OWN
        }

    def create(self, user: str, name: str) -> str | None:
        """A new folder; the caller adds it when it knows its id."""
        return TAKEN if self._taken(user, name) else None

    def rename(self, user: str, id_: str, name: str) -> str | None:
        """Another name."""
        folder = self.folders[id_]
        refused = self._refused(user, folder, Permission.OWN) or _not_ready(folder)
        if refused or folder.name == name:
            return refused
        if self._taken(folder.owner, name):
            return TAKEN
        folder.name = name
        return None

    def write(self, user: str, id_: str, path: str, content: bytes) -> str | None:
        """A file, over the one that was there."""
        folder = self.folders[id_]
        refused = self._refused(user, folder, Permission.WRITE) or _not_ready(folder)
        if refused is None:
            folder.files[path] = content
        return refused

    def read(self, user: str, id_: str, path: str) -> str | None:
        """Whether a file can be read."""
        folder = self.folders[id_]
        refused = self._refused(user, folder, Permission.READ) or _not_ready(folder)
        return refused or (None if path in folder.files else FILE_NOT_FOUND)

    def remove(self, user: str, id_: str, path: str) -> str | None:
        """No such file any more."""
        folder = self.folders[id_]
        refused = self._refused(user, folder, Permission.WRITE) or _not_ready(folder)
        if refused is None and folder.files.pop(path, None) is None:
            return FILE_NOT_FOUND
        return refused

    def move(self, user: str, id_: str, source: str, target: str) -> str | None:
        """A file at another path, where nothing is."""
        folder = self.folders[id_]
        refused = self._refused(user, folder, Permission.WRITE) or _not_ready(folder)
        if refused is not None:
            return refused
        if source not in folder.files:
            return FILE_NOT_FOUND
        if target in folder.files:
            return PATH_TAKEN
        folder.files[target] = folder.files.pop(source)
        return None

    def clone(self, user: str, id_: str, name: str) -> str | None:
        """A folder like this one; the caller adds it."""
        folder = self.folders[id_]
        if refused := self._refused(user, folder, Permission.READ):
            return refused
        return TAKEN if self._taken(user, name) else _not_ready(folder)

    def trash(self, user: str, id_: str) -> str | None:
        """READY -> TRASHED."""
        folder = self.folders[id_]
        refused = self._refused(user, folder, Permission.DELETE) or _not_ready(folder)
        if refused is None:
            folder.status = FolderStatus.TRASHED
        return refused

    def restore(self, user: str, id_: str) -> str | None:
        """TRASHED -> READY."""
        folder = self.folders[id_]
        refused = self._refused(user, folder, Permission.DELETE)
        if refused or folder.ready:
            return refused or ILLEGAL
        if self._taken(folder.owner, folder.name):
            return TAKEN
        folder.status = FolderStatus.READY
        return None

    def purge(self, user: str, id_: str) -> str | None:
        """TRASHED -> GONE."""
        folder = self.folders[id_]
        refused = self._refused(user, folder, Permission.OWN)
        if refused or folder.ready:
            return refused or ILLEGAL
        folder.status = FolderStatus.GONE
        return None

    def invite(self, user: str, id_: str, other: str, permission: Permission) -> str | None:
        """An invitation."""
        folder = self.folders[id_]
        if refused := self._refused(user, folder, Permission.OWN):
            return refused
        if other == folder.owner:
            return "invalid-field"
        if not folder.ready:
            return ILLEGAL
        if other in folder.invited or other in folder.shares:
            return "invitation-exists"
        folder.invited[other] = permission
        return None

    def transfer(self, user: str, id_: str, other: str) -> str | None:
        """Another owner."""
        folder = self.folders[id_]
        refused = self._refused(user, folder, Permission.OWN)
        if refused or other == folder.owner:
            return refused
        if not folder.ready:
            return ILLEGAL
        if self._taken(other, folder.name):
            return TAKEN
        folder.owner = other
        folder.shares.pop(other, None)
        folder.invited.pop(other, None)
        return None

    def _refused(self, user: str, folder: ModelFolder, wanted: Permission) -> str | None:
        permission = folder.permission(user)
        if permission is None or folder.status is FolderStatus.GONE:
            return NOT_FOUND
        return None if permission.covers(wanted) else DENIED

    def _taken(self, owner: str, name: str) -> bool:
        return any(
            (one.owner, one.name) == (owner, name) for one in self.folders.values() if one.ready
        )


def _not_ready(folder: ModelFolder) -> str | None:
    return None if folder.ready else ILLEGAL
