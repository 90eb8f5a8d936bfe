"""The port of the manager's users without a database."""

from collections.abc import Sequence

from quarterdeck.manager.identity import errors, model
from quarterdeck.testing.fakes.clock import EPOCH
from quarterdeck.wire.users import Role, UserCreate, UserView

ADMIN_NAME = "admin"


class FakeUsers:
    """The port `Users`: rows in dicts. `busy` users refuse deletion, `asked` counts questions for a principal."""

    def __init__(self) -> None:
        self.rows: dict[str, UserView] = {}
        self.keys: dict[str, str] = {}
        self.busy: set[str] = set()
        self.asked = 0

    async def insert(self, user: str, given: UserCreate, access_key: str) -> UserView:
        """Add a user with a first key pair."""
        if any(row.name == given.name for row in self.rows.values()):
            raise errors.UserNameTaken
        self.rows[user] = UserView(id=user, name=given.name, role=given.role, created_at=EPOCH)
        self.keys[access_key] = user
        return self.rows[user]

    async def ensure_admin(self, user: str, access_key: str) -> None:
        """Make the key pair one of the user `admin`."""
        found = [row.id for row in self.rows.values() if row.name == ADMIN_NAME]
        if found:
            self.keys[access_key] = found[0]
        else:
            await self.insert(user, UserCreate(ADMIN_NAME, Role.ADMIN), access_key)

    async def principal(self, access_key: str) -> model.Principal | None:
        """Return who has this key."""
        self.asked += 1
        row = self.rows.get(self.keys.get(access_key, ""))
        return None if row is None else model.Principal(row.id, row.role)

    async def view(self, user: str) -> UserView | None:
        """Return a user."""
        return self.rows.get(user)

    async def list(self) -> Sequence[UserView]:
        """Return all users."""
        return list(self.rows.values())

    async def delete(self, user: str) -> bool:
        """Delete a user with keys."""
        if user in self.busy:
            raise errors.UserBusy
        self.keys = {key: owner for key, owner in self.keys.items() if owner != user}
        return self.rows.pop(user, None) is not None
