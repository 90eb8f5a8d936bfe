"""Users in the SDK."""

from quarterdeck.client import api
from quarterdeck.client.transport_async import Transport
from quarterdeck.wire.items import Items
from quarterdeck.wire.users import Role, UserCreated, UserView


class Users:
    """Oneself and, for administrators, all users."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def me(self) -> UserView:
        """Return the user who asks."""
        return await self._transport.call(api.get_me(), UserView)

    async def create(self, name: str, *, role: Role | str | None = None) -> UserCreated:
        """Make a user; the answer holds the key pair, which is shown this once."""
        return await self._transport.call(api.create_user(name, role), UserCreated)

    async def list(self) -> "list[UserView]":
        """Return all users."""
        return (await self._transport.call(api.list_users(), Items[UserView])).items

    async def delete(self, id_: str) -> None:
        """Delete a user with all folders. Raises `Refused` while there are live sessions, or others mount one of them."""
        await self._transport.raw(api.delete_user(id_))
