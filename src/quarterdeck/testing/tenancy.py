"""A test's own place in a shared cluster: a fresh user, who leaves nothing behind.

Named by `quarterdeck.testing.system` as the tenant hook of Shakeout; `quarterdeck.testing.fixtures` gives it to tests as `user`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from quarterdeck.client.client import Client
from quarterdeck.client.errors import OutcomeUnknown, Refused, SessionEnded, Unreachable
from quarterdeck.testing import system
from quarterdeck.wire.states import SessionStatus
from quarterdeck.wire.users import KeyPair, UserView
from shakeout.system.cluster import Cluster

END_SECONDS_MAX = 10.0
LEAVE_SECONDS_MAX = 20.0


class User(Client):
    """A client that knows who it is."""

    def __init__(self, url: str, view: UserView, keypair: KeyPair) -> None:
        super().__init__(url, keypair.access_key, keypair.secret_key)
        self.url = url
        self.view = view
        self.keypair = keypair

    @property
    def id(self) -> str:
        """The user's id."""
        return self.view.id


@contextlib.asynccontextmanager
async def administrator(cluster: Cluster) -> AsyncIterator[Client]:
    """Own a client of the administrator for the time of a block."""
    keys = system.keys
    url = manager_url(cluster)
    async with Client(url, keys.admin_access_key, keys.admin_secret_key) as admin:
        yield admin


@contextlib.asynccontextmanager
async def tenant(cluster: Cluster, name: str) -> AsyncIterator[User]:
    """Make a user for the time of a block; afterwards sessions, folders and the user go.

    Where the manager has gone away there is nobody to ask for that.
    """
    async with administrator(cluster) as admin:
        created = await admin.users.create(name)
        url = manager_url(cluster)
        async with User(url, created.user, created.keypair) as made:
            yield made
            with contextlib.suppress(Unreachable, OutcomeUnknown):
                await _leave(admin, made)


@contextlib.asynccontextmanager
async def visitor(cluster: Cluster, name: str) -> AsyncIterator[User]:
    """Make a user in a cluster that is thrown away afterwards, so that nothing needs to be tidied."""
    async with administrator(cluster) as admin:
        created = await admin.users.create(name)
    async with User(manager_url(cluster), created.user, created.keypair) as made:
        yield made


def manager_url(cluster: Cluster) -> str:
    """Return where the manager is, the first one if there are several."""
    return cluster.address(f"{cluster.replicas('manager')[0]}.http")


async def _leave(admin: Client, user: User) -> None:
    async with asyncio.timeout(LEAVE_SECONDS_MAX):
        while not await _left(admin, user):
            pass


async def _left(admin: Client, user: User) -> bool:
    """End all sessions and delete the user, unless a request that the test was torn away from has brought one more session."""
    await _end_sessions(user)
    try:
        await admin.users.delete(user.id)
    except Refused as refused:
        if refused.code != "user-busy":
            raise
        return False
    return True


async def _end_sessions(user: User) -> None:
    live = [await user.sessions.get(view.id) for view in await user.sessions.list()]
    for session in live:
        await session.terminate()
    for session in live:
        with contextlib.suppress(SessionEnded):
            await session.reaches(SessionStatus.TERMINATED, within=END_SECONDS_MAX)
