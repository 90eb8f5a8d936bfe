"""The registrations of agents in etcd: a gateway for `service`."""

import logging
from collections.abc import AsyncIterator, Sequence

from quarterdeck.base.clock import Clock
from quarterdeck.infra import etcd, etcd_watch
from quarterdeck.manager import announced
from quarterdeck.manager.agents.ports import Registered
from quarterdeck.wire import agents, nodes

_log = logging.getLogger(__name__)


class EtcdRegistry:
    """The port `Registry` on etcd.

    An etcd that was emptied, or has lost its leases, knows no agents either. It shows in the registration of this manager, which
    stood there and is gone or another one: then the agents get the time of a lease to register anew before one counts as missing.
    """

    def __init__(self, client: etcd.Etcd, manager: str, clock: Clock) -> None:
        self._client = client
        self._own = nodes.MANAGERS + manager
        self._clock = clock
        self._lease = 0
        self._doubted_until = 0.0

    async def watch(self) -> AsyncIterator[Sequence[agents.AgentRecord]]:
        """Give all registrations, now and after each change."""
        changes = etcd_watch.watch(self._client, nodes.AGENTS)
        async for records in announced.follow(changes, agents.AgentRecord):
            yield _by_id(records)

    async def current(self) -> Registered:
        """Return all registrations as they are now."""
        snapshot = await self._client.range(nodes.NODES)
        own = next((item.lease for item in snapshot.items if item.key == self._own), 0)
        found = [item for item in snapshot.items if item.key.startswith(nodes.AGENTS)]
        return Registered(_by_id(announced.read(found, agents.AgentRecord)), self._doubts(own))

    def _doubts(self, lease: int) -> bool:
        """Take in the lease of this manager's own registration, 0: it is not there; tell whether agents may be missing for the same reason."""
        now = self._clock.monotonic()
        if self._lease and lease != self._lease:
            if now >= self._doubted_until:
                _log.info("registrations-doubted", extra={"seconds": nodes.LEASE_SECONDS})
            self._doubted_until = now + nodes.LEASE_SECONDS
        self._lease = lease or self._lease
        return now < self._doubted_until


def _by_id(records: Sequence[agents.AgentRecord]) -> Sequence[agents.AgentRecord]:
    return list({record.id: record for record in records}.values())
