"""What identity needs of the world: its store, and somebody to remove the files of a deleted user."""

from collections.abc import Sequence
from typing import Protocol

from quarterdeck.manager.identity import model
from quarterdeck.wire import users


class Users(Protocol):
    """Users and their key pairs."""

    async def insert(self, user: str, given: users.UserCreate, access_key: str) -> users.UserView:
        """Add a user with a first key pair. Raises `UserNameTaken`."""
        ...

    async def ensure_admin(self, user: str, access_key: str) -> None:
        """Make the key pair an active one of the user `admin`, who is added with this id if missing."""
        ...

    async def principal(self, access_key: str) -> model.Principal | None:
        """Return who has this key, or None: it is not active."""
        ...

    async def view(self, user: str) -> users.UserView | None:
        """Return a user."""
        ...

    async def list(self) -> Sequence[users.UserView]:
        """Return all users, the oldest first."""
        ...

    async def delete(self, user: str) -> bool:
        """Delete a user with keys and folders, whose trees are then to be removed; False: no such user. Raises `UserBusy`."""
        ...


class TreeRemoval(Protocol):
    """Whoever removes the file trees that lost their folders."""

    def soon(self) -> None:
        """Have them removed, as soon as it can be done, by itself."""
        ...
