"""Agents in the SDK, for administrators."""

from quarterdeck.client import api
from quarterdeck.client.transport_async import Transport
from quarterdeck.wire.agents import AgentView
from quarterdeck.wire.items import Items


class Agents:
    """The agents."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self) -> list[AgentView]:
        """Return all agents."""
        return (await self._transport.call(api.list_agents(), Items[AgentView])).items
