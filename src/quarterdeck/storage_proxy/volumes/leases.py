"""Leases in etcd for volumes whose store has no locks: one holder of a name, with a token that grows from holder to holder.

A holder that was stopped for too long may wake up after its lease: who writes under its token asks `require` before it tells that it has written.
"""

import contextlib
from collections.abc import AsyncIterator

from quarterdeck.base import tasks
from quarterdeck.infra.errors import EtcdUnavailable
from quarterdeck.infra.etcd import ABSENT, Etcd
from quarterdeck.storage_proxy import errors
from quarterdeck.wire import nodes

LEASE_SECONDS = 10
"""How long a holder that died keeps others out."""

_PREFIX = nodes.PREFIX + "uploads/"


class Lease:
    """A name that is held. `token` is greater than that of any holder before."""

    def __init__(self, etcd: Etcd, name: str, token: int) -> None:
        self._etcd = etcd
        self._name = name
        self.token = token

    async def require(self) -> None:
        """Raise `UploadBusy` unless the name is still held."""
        found = await self._etcd.get(_PREFIX + self._name)
        if found is None or found.revision != self.token:
            raise errors.UploadBusy("the lease of this upload was lost")


class Leases:
    """The leases of one etcd."""

    def __init__(self, etcd: Etcd) -> None:
        self._etcd = etcd

    @contextlib.asynccontextmanager
    async def held(self, name: str) -> AsyncIterator[Lease]:
        """Hold a name for the time of a block. Raises `UploadBusy` while somebody does, `EtcdUnavailable`."""
        lease = await self._etcd.grant(LEASE_SECONDS)
        try:
            key = _PREFIX + name
            if not await self._etcd.swap(key, b"", revision=ABSENT, lease=lease):
                raise errors.UploadBusy
            if (found := await self._etcd.get(key)) is None:
                raise errors.UploadBusy
            async with tasks.background() as background:
                renewal = tasks.every(
                    LEASE_SECONDS / 4, lambda: self._etcd.keep_alive(lease), name="upload-lease"
                )
                background.start(renewal)
                yield Lease(self._etcd, name, found.revision)
        finally:
            with contextlib.suppress(EtcdUnavailable):
                await self._etcd.revoke(lease)
