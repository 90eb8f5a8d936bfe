"""The SDK's entry: `async with client.Client(url, access_key, secret_key) as platform: ...`.

session = await platform.sessions.create("python:3.11", slots={"cpu": 1})
await session.reaches("RUNNING", within=5)
print((await session.execute("print(6 * 7)")).stdout)
"""

import contextlib
from types import TracebackType
from typing import Self, TypeVar

from quarterdeck.base.clock import Clock, SystemClock
from quarterdeck.client import api
from quarterdeck.client.agents import Agents
from quarterdeck.client.folders import Folders
from quarterdeck.client.images import Images, Registries
from quarterdeck.client.request import Credentials, Request
from quarterdeck.client.sessions import Sessions
from quarterdeck.client.transport_async import Transport
from quarterdeck.client.users import Users
from quarterdeck.wire.nodes import Diagnostics

T = TypeVar("T")


class Client:
    """One user's access to a platform. Enter it before use; methods raise `quarterdeck.client.errors.ClientError`s."""

    def __init__(
        self, url: str, access_key: str, secret_key: str, *, clock: Clock | None = None
    ) -> None:
        """Name the manager and the key pair. Raises `ConfigInvalid`."""
        self.credentials = Credentials(url, access_key, secret_key)
        self._clock = clock or SystemClock()
        self._stack = contextlib.AsyncExitStack()
        self._transport: Transport | None = None

    async def __aenter__(self) -> Self:
        """Open for requests."""
        self._transport = await self._stack.enter_async_context(
            Transport.open(self.credentials, self._clock)
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self._transport = None
        await self._stack.aclose()

    @property
    def transport(self) -> Transport:
        """What sends the requests."""
        if self._transport is None:
            raise RuntimeError("a Client is used within `async with`")
        return self._transport

    @property
    def sessions(self) -> Sessions:
        """One's own sessions."""
        return Sessions(self.transport)

    @property
    def folders(self) -> Folders:
        """One's own folders."""
        return Folders(self.transport)

    @property
    def users(self) -> Users:
        """Oneself and, for administrators, all users."""
        return Users(self.transport)

    @property
    def agents(self) -> Agents:
        """The agents, for administrators."""
        return Agents(self.transport)

    async def diagnostics(self) -> Diagnostics:
        """Return what the manager holds for its clients right now, for administrators."""
        return await self.transport.call(api.get_diagnostics(), Diagnostics)

    @property
    def images(self) -> Images:
        """The images that sessions may be made of."""
        return Images(self.transport)

    @property
    def registries(self) -> Registries:
        """The registries that offer images, for administrators."""
        return Registries(self.transport)

    async def call(self, request: Request, type_: type[T]) -> T:
        """Send any request and read its answer as a type."""
        return await self.transport.call(request, type_)
