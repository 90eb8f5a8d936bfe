"""A key that lives as long as its owner: bound to a lease that is kept alive, registered again after a loss, gone at the end."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from quarterdeck.base import tasks
from quarterdeck.infra.errors import EtcdUnavailable
from quarterdeck.infra.etcd import Etcd

RETRY_SECONDS_MIN = 0.05
CLOSE_SECONDS_MAX = 1.0

_log = logging.getLogger(__name__)


class Registration:
    """A key under a lease. `healthy` tells whether it stood at the last attempt."""

    def __init__(self, etcd: Etcd, key: str, value: bytes, lease_seconds: int) -> None:
        self._etcd = etcd
        self._key = key
        self._value = value
        self._lease_seconds = lease_seconds
        self._lease = 0
        self.healthy = False

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, etcd: Etcd, key: str, value: bytes, *, lease_seconds: int, returns: bool = False
    ) -> AsyncIterator["Registration"]:
        """Register for the time of a block, from its first line on; afterwards the lease is revoked. Raises `EtcdUnavailable`.

        `returns`: the owner is expected back, and the lease is left to run out.
        """
        self = cls(etcd, key, value, lease_seconds)
        await self._register()
        try:
            async with tasks.background() as background:
                background.start(self._keep(), name="registration")
                yield self
        finally:
            if not returns:
                await self._end()

    async def update(self, value: bytes) -> None:
        """Change the value. Raises `EtcdUnavailable`; the new value is then written with the next registration."""
        self._value = value
        if self._lease:
            await self._etcd.put(self._key, value, lease=self._lease)

    async def _register(self) -> None:
        lease = await self._etcd.grant(self._lease_seconds)
        await self._etcd.put(self._key, self._value, lease=lease)
        self._lease, self.healthy = lease, True

    async def _keep(self) -> None:
        step_seconds = self._lease_seconds / 3
        pause_seconds = step_seconds
        while True:
            await tasks.pause(pause_seconds)
            try:
                async with asyncio.timeout(step_seconds):
                    await self._renew()
            except (EtcdUnavailable, TimeoutError) as error:
                self._note(healthy=False, error=str(error))
                pause_seconds = min(max(RETRY_SECONDS_MIN, pause_seconds / 2), step_seconds)
            else:
                self._note(healthy=True)
                pause_seconds = step_seconds

    async def _renew(self) -> None:
        if self._lease and await self._etcd.keep_alive(self._lease) > 0:
            return
        if self._lease:
            _log.warning("lease-lost", extra={"key": self._key})
        self._lease = 0
        await self._register()

    def _note(self, *, healthy: bool, error: str = "") -> None:
        if healthy != self.healthy:
            event = "registered-again" if healthy else "registration-failing"
            _log.warning(event, extra={"key": self._key, "error": error})
        self.healthy = healthy

    async def _end(self) -> None:
        if not self._lease:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS_MAX):
                await self._etcd.revoke(self._lease)
        except (EtcdUnavailable, TimeoutError) as error:
            _log.warning("lease-not-revoked", extra={"key": self._key, "error": str(error)})
