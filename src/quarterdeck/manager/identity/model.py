"""Who makes a request, and what that allows. Pure."""

from dataclasses import dataclass

from quarterdeck.wire import users


@dataclass(frozen=True, slots=True)
class Principal:
    """The user behind a request."""

    user: str
    role: users.Role

    @property
    def is_admin(self) -> bool:
        """Tell whether the user administers the platform."""
        return self.role is users.Role.ADMIN

    def may_see(self, owner: str) -> bool:
        """Tell whether a thing of this owner exists for the user: their own, or any for an administrator."""
        return self.is_admin or owner == self.user
