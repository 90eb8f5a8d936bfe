"""The registrations of agents in etcd: a gateway for `service`."""

from collections.abc import AsyncIterator, Sequence

from quarterdeck.infra import etcd, etcd_watch
from quarterdeck.manager import announced
from quarterdeck.wire import agents, nodes


class EtcdRegistry:
    """The port `Registry` on etcd."""

    def __init__(self, client: etcd.Etcd) -> None:
        self._client = client

    async def watch(self) -> AsyncIterator[Sequence[agents.AgentRecord]]:
        """Give all registrations, now and after each change."""
        changes = etcd_watch.watch(self._client, nodes.AGENTS)
        async for records in announced.follow(changes, agents.AgentRecord):
            yield _by_id(records)

    async def current(self) -> Sequence[agents.AgentRecord]:
        """Return all registrations as they are now."""
        snapshot = await self._client.range(nodes.AGENTS)
        return _by_id(announced.read(snapshot, agents.AgentRecord))


def _by_id(records: Sequence[agents.AgentRecord]) -> Sequence[agents.AgentRecord]:
    return list({record.id: record for record in records}.values())
