"""Users and their keys on the wire."""

import enum
from datetime import datetime

import msgspec

from quarterdeck.wire import limits


class Role(enum.StrEnum):
    """What a user may do: own things, or administer the platform as well."""

    USER = "user"
    ADMIN = "admin"


class UserCreate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request for a user."""

    name: limits.Name
    role: Role = Role.USER


class UserView(msgspec.Struct, frozen=True, kw_only=True):
    """A user."""

    id: str
    name: str
    role: Role
    created_at: datetime


class KeyPair(msgspec.Struct, frozen=True):
    """What a user signs requests with. The secret key is shown once, at creation."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        """Show the access key only."""
        return f"KeyPair({self.access_key!r}, '***')"


class UserCreated(msgspec.Struct, frozen=True):
    """A new user with the first key pair."""

    user: UserView
    keypair: KeyPair
