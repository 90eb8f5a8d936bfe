"""Agents in the SDK, for administrators."""

from quarterdeck.client import api
from quarterdeck.client.transport_async import Transport
from quarterdeck.wire.agents import AgentView
from quarterdeck.wire.items import Items


class Agents:
    """The agents."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self) -> "list[AgentView]":
        """Return all agents."""
        return (await self._transport.call(api.list_agents(), Items[AgentView])).items

    async def drain(self, id_: str, *, deadline_seconds: float | None = None) -> AgentView:
        """Have nothing new placed on an agent; what runs there goes on, until the deadline if there is one."""
        return await self._transport.call(api.drain_agent(id_, deadline_seconds), AgentView)

    async def resume(self, id_: str) -> AgentView:
        """Take an agent back into service."""
        return await self._transport.call(api.resume_agent(id_), AgentView)
